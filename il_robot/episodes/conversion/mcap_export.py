"""An episode into a ROS 2 MCAP file that Foxglove and ``ros2 bag play`` open.

Both ask for the same: profile ``ros2``, messages in ``cdr``, schemas in ``ros2msg`` under their full names with every
type they use, a summary with statistics, and topic names as ROS allows them. Given the file alone, rosbag2 builds from
that what a ``metadata.yaml`` beside it would say (``SequentialReader::open``, ``MCAPStorage::read_metadata``). Foxglove
hands an image to the browser as ``image/<format>``: the format is ``jpeg``, not ROS's longer ``rgb8; jpeg compressed``.
Frames of reference have the names that they have in the running graph.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from il_robot.episodes.conversion.carried import NAME, facts_of
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.outgoing_frames import whole_jpeg
from il_robot.episodes.conversion.outlet import whole_files
from il_robot.episodes.conversion.ros_schemas import SCHEMAS
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.rig import NS_PER_S

DRIVER = "/control/driver"
_FOREVER = "{sec: 9223372036, nsec: 854775807}"
LATCHED_QOS = f"""- history: keep_last
  depth: 1
  reliability: reliable
  durability: transient_local
  deadline: {_FOREVER}
  lifespan: {_FOREVER}
  liveliness: automatic
  liveliness_lease_duration: {_FOREVER}
  avoid_ros_namespace_conventions: false
"""
"""How ``ros2 bag play`` is told to publish what is said once: for who comes late too, as the running graph does."""


def export_mcap_file(episode: Episode, file: Path) -> None:
    """Write ``file`` with the stamps of the recording. A frame that is missing or repeated is no message.

    Topics, see ``docs/conversion.md``: the followers' states, what they were asked and sent, images, object poses, who
    drove, and once the facts of the episode. Raises BadInput when the episode is damaged, OSError when the disk fails;
    there is no file then, or one that was not finished.
    """
    with whole_files(file), file.open("wb") as stream:
        writer = library("mcap_ros2.writer").Writer(stream)
        bag = _Bag(writer, episode)
        for t in range(episode.steps):
            bag.add_step(t)
        writer.finish()


def topic_name(*parts: str) -> str:
    """``/a/b``, every letter that ROS does not allow in a name replaced; a part that begins with a digit gets an n."""
    plain = (re.sub(r"[^A-Za-z0-9_]", "_", part) for part in parts)
    return "".join(f"/n{part}" if part[0].isdigit() else f"/{part}" for part in plain)


class _Bag:
    def __init__(self, writer: Any, episode: Episode) -> None:
        self._writer = writer
        self._episode = episode
        self._schemas = {name: writer.register_msgdef(name, text) for name, text in SCHEMAS.items()}
        self._arms = [_joints_of(episode, follower) for follower in episode.info.followers]
        self._facts = topic_name(NAME, "facts")
        for topic in (self._facts, DRIVER):
            self._latch(topic)

    def _latch(self, topic: str) -> None:
        """Make the channel of a topic beforehand: the library's own would have no metadata."""
        schema = self._schemas["std_msgs/msg/String"]
        self._writer._channel_ids[topic] = self._writer._writer.register_channel(
            topic, "cdr", schema.id, {"offered_qos_profiles": LATCHED_QOS}
        )

    def add_step(self, t: int) -> None:
        """The messages of step ``t``, joints before images."""
        tick = int(self._episode.step_ns[t])
        if t == 0:
            facts = json.dumps(facts_of(self._episode))
            self._write(self._facts, "std_msgs/msg/String", tick, t, {"data": facts})
        self._add_arms(tick, t)
        self._add_objects(tick, t)
        self._add_control(tick, t)
        self._add_images(t)

    def _add_arms(self, tick: int, t: int) -> None:
        episode = self._episode
        for a, follower in enumerate(episode.info.followers):
            arm = self._arms[a]
            if episode.validity(follower)[t] != Validity.MISSING:
                state = (episode.qpos[t, arm], episode.qvel[t, arm], episode.effort[t, arm])
                self._joints(topic_name(follower, "joint_states"), int(episode.joint_ns[t, a]), t, arm, *state)
            self._joints(topic_name(follower, "asked"), tick, t, arm, episode.action_asked[t, arm], None, None)
            self._joints(topic_name(follower, "commands"), tick, t, arm, episode.action[t, arm], None, None)

    def _joints(
        self, topic: str, stamp: int, t: int, arm: list[int], position: Any, velocity: Any, effort: Any
    ) -> None:
        names = [self._episode.info.joint_names[j] for j in arm]
        # By the message's definition a field that nothing measures is empty.
        known = {
            field: values.tolist() if values is not None and np.isfinite(values).any() else []
            for field, values in (("position", position), ("velocity", velocity), ("effort", effort))
        }
        self._write(topic, "sensor_msgs/msg/JointState", stamp, t, {"header": _header(stamp), "name": names, **known})

    def _add_objects(self, tick: int, t: int) -> None:
        for name, poses in self._episode.objects.items():
            if not np.isfinite(poses[t]).all():
                continue  # Unknown.
            x, y, z, qw, qx, qy, qz = poses[t].tolist()
            pose = {"position": {"x": x, "y": y, "z": z}, "orientation": {"x": qx, "y": qy, "z": qz, "w": qw}}
            fields = {"header": _header(tick, "base_link"), "pose": pose}
            self._write(topic_name("objects", name, "pose"), "geometry_msgs/msg/PoseStamped", tick, t, fields)

    def _add_control(self, tick: int, t: int) -> None:
        """Who drove, in words whenever that changes, and with what the gate did as numbers to plot."""
        episode = self._episode
        if t == 0 or episode.mode[t] != episode.mode[t - 1]:
            driver = episode.driver(t).name.lower()
            self._write(DRIVER, "std_msgs/msg/String", tick, t, {"data": driver})
        for name, kind, values in (
            ("mode", "Int8", episode.mode),
            ("intervention", "Int32", episode.intervention),
            ("gate", "UInt8", episode.gate),
        ):
            self._write(f"/control/{name}", f"std_msgs/msg/{kind}", tick, t, {"data": int(values[t])})

    def _add_images(self, t: int) -> None:
        episode = self._episode
        for c, camera in enumerate(episode.info.cameras):
            if episode.validity(camera.name)[t] != Validity.FRESH:
                continue
            stamp = int(episode.camera_ns[t, c])
            header = _header(stamp, f"{camera.name}_optical_frame")
            fields = {"header": header, "format": "jpeg", "data": whole_jpeg(episode, camera, t)}
            topic = topic_name(camera.name, "image_raw", "compressed")
            self._write(topic, "sensor_msgs/msg/CompressedImage", stamp, t, fields)

    def _write(self, topic: str, kind: str, stamp: int, t: int, message: dict[str, Any]) -> None:
        tick = int(self._episode.step_ns[t])
        self._writer.write_message(topic, self._schemas[kind], message, log_time=tick, publish_time=stamp, sequence=t)


def _header(stamp: int, frame: str = "") -> dict[str, Any]:
    seconds, nanoseconds = divmod(stamp, NS_PER_S)
    return {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": frame}


def _joints_of(episode: Episode, follower: str) -> list[int]:
    """Where the joints of a follower lie: those of its arm's name, or an equal share where names do not tell."""
    names, followers = episode.info.joint_names, episode.info.followers
    arm = follower.removeprefix("follower_")
    own = [j for j, name in enumerate(names) if name.startswith(f"{arm}_")]
    if own:
        return own
    a = followers.index(follower)
    return [int(j) for j in np.array_split(np.arange(len(names)), len(followers))[a]]
