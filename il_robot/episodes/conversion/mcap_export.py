"""An episode into a ROS 2 MCAP file that Foxglove and ``ros2 bag play`` open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from il_robot.episodes.conversion.library import library
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.rig import NS_PER_S

_HEADER = """std_msgs/Header header
{fields}
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
_SCHEMAS = {
    "sensor_msgs/msg/JointState": "string[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort",
    "sensor_msgs/msg/CompressedImage": "string format\nuint8[] data",
}
"""The fields after the header, as in the sensor_msgs package."""


def export_mcap_file(episode: Episode, file: Path) -> None:
    """Write ``file`` with the stamps of the recording. A frame that is missing or repeated is no message.

    Topics: ``/<follower>/joint_states`` and ``/<follower>/commands`` (what was sent), both JointState, and
    ``/<camera>/image_raw/compressed``. Raises OSError when the disk fails.
    """
    with file.open("wb") as stream:
        writer = library("mcap_ros2.writer").Writer(stream)
        bag = _Bag(writer, episode)
        for t in range(episode.steps):
            bag.add_step(t)
        writer.finish()


class _Bag:
    def __init__(self, writer: Any, episode: Episode) -> None:
        self._writer = writer
        self._episode = episode
        fields = {name: _HEADER.format(fields=fields) for name, fields in _SCHEMAS.items()}
        self._schemas = {name.rsplit("/", 1)[1]: writer.register_msgdef(name, text) for name, text in fields.items()}
        self._arms = [_joints_of(episode, follower) for follower in episode.info.followers]

    def add_step(self, t: int) -> None:
        """The messages of step ``t``, joints before images."""
        episode = self._episode
        tick = int(episode.step_ns[t])
        for a, follower in enumerate(episode.info.followers):
            arm = self._arms[a]
            if episode.validity(follower)[t] != Validity.MISSING:
                stamp = int(episode.joint_ns[t, a])
                state = (episode.qpos[t, arm], episode.qvel[t, arm], episode.effort[t, arm])
                self._joints(f"/{follower}/joint_states", stamp, tick, t, arm, *state)
            self._joints(f"/{follower}/commands", tick, tick, t, arm, episode.action[t, arm], None, None)
        for c, camera in enumerate(episode.info.camera_names):
            if episode.validity(camera)[t] == Validity.FRESH:
                stamp = int(episode.camera_ns[t, c])
                image = {"format": "jpeg", "data": episode.frame_jpeg(camera, t)}
                self._write(f"/{camera}/image_raw/compressed", "CompressedImage", stamp, tick, camera, image, t)

    def _joints(
        self, topic: str, stamp: int, tick: int, t: int, arm: list[int], position: Any, velocity: Any, effort: Any
    ) -> None:
        names = [self._episode.info.joint_names[j] for j in arm]
        # By the message's definition a field that nothing measures is empty.
        known = {
            field: values.tolist() if values is not None and np.isfinite(values).any() else []
            for field, values in (("position", position), ("velocity", velocity), ("effort", effort))
        }
        self._write(topic, "JointState", stamp, tick, "", {"name": names, **known}, t)

    def _write(self, topic: str, kind: str, stamp: int, tick: int, frame: str, fields: dict[str, Any], t: int) -> None:
        seconds, nanoseconds = divmod(stamp, NS_PER_S)
        header = {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": frame}
        message = {"header": header, **fields}
        self._writer.write_message(topic, self._schemas[kind], message, log_time=tick, publish_time=stamp, sequence=t)


def _joints_of(episode: Episode, follower: str) -> list[int]:
    """Where the joints of a follower lie: those of its arm's name, or an equal share where names do not tell."""
    names, followers = episode.info.joint_names, episode.info.followers
    arm = follower.removeprefix("follower_")
    own = [j for j, name in enumerate(names) if name.startswith(f"{arm}_")]
    if own:
        return own
    a = followers.index(follower)
    return [int(j) for j in np.array_split(np.arange(len(names)), len(followers))[a]]
