"""The recorder node: pairs every step with its frames and appends it to the open episode.

The pedal starts and stops episodes. Callbacks only store; the episode writer has its own thread. Its state is
published ten times a second: silence from the recorder makes the followers hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.in_use import calibration_digest
from calibration.rig_file import load_rig
from il_robot.episodes.layout import Losses, Outcome, episode_info
from il_robot.episodes.pairing import Pairing
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import Fault, IlRobotError
from il_robot.rig import NS_PER_S
from il_robot.types import Frame
from il_robot_ros import messages, process, topics
from il_robot_ros.clock import clock_of
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter
from il_robot_ros.sole_sources import SoleSources

MAX_AGE_S = 0.1
"""A frame older than this at its step counts as missing."""

NEVER_NS = 1 << 63
"""Later than any step."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    dataset: str = parameter("folder that the episodes go to")
    task: str = parameter("what is being done", "transfer_cube")
    operator: str = parameter("who drives the leaders", "")
    policy: str = parameter("which policy drives, if any", "")
    wait_s: float = parameter("how long a step waits for its frames [s]", 0.25)
    episodes: int = parameter("end after so many saved episodes; 0 = never", 0)


class RecorderNode:
    """Everything of the recorder's process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._rig = load_rig(given.rig)
        self._time = clock_of(node)
        self._dataset = Path(given.dataset)
        self._wait_ns = round(given.wait_s * NS_PER_S)
        self._episodes = given.episodes
        simulated = bool(node.get_parameter("use_sim_time").value)
        self._info = episode_info(
            self._rig,
            task=given.task,
            operator=given.operator,
            policy=given.policy,
            calibration=calibration_digest(self._rig, given.rig),
            clock="simulated" if simulated else "system",
        )
        # Say at once, not at the first episode, that the dataset cannot be written.
        EpisodeWriter.create(self._dataset, self._info).discard()
        self._pairing = Pairing(self._rig.camera_names, self._rig.objects, self._wait_ns, round(MAX_AGE_S * NS_PER_S))
        self._writer: EpisodeWriter | None = None
        self._started_ns = 0
        self._until_ns = NEVER_NS
        self._outcome: Outcome | None = None
        self._buttons: list[int] | None = None
        self._controlled = False
        self._saved = 0
        self._state = ""
        self._sources = SoleSources(node)
        self._connect()
        Diagnostics(node, self._health)

    def _connect(self) -> None:
        hear = self._sources.subscribe
        for camera in self._rig.camera_names:
            hear(CompressedImage, topics.image(camera), self._on_image(camera), topics.STREAM)
        for thing in self._rig.objects:
            hear(PoseStamped, topics.pose(thing), self._on_pose(thing), topics.STREAM)
        hear(JointTrajectory, topics.STEP, self._on_step, topics.STREAM)
        hear(Joy, topics.PEDAL, self._on_pedal, topics.STREAM)
        self._states = self._node.create_publisher(String, topics.RECORDER, topics.LATCHED)
        self._sources.watch(topics.RECORDER)
        self._node.create_timer(0.1, self._beat)

    def _on_image(self, camera: str) -> Callable[..., None]:
        last: Frame | None = None

        def store(message: CompressedImage, info: Mapping[str, int]) -> None:
            nonlocal last
            frame = messages.from_image(message, info["publication_sequence_number"])
            if last and frame.sequence <= last.sequence and frame.time_ns - last.time_ns < NS_PER_S:
                return  # another publisher's, which came in the moment before DDS told of it
            last = frame
            self._pairing.add_frame(camera, frame)
            self._write_ready()

        return store

    def _on_pose(self, thing: str) -> Callable[[PoseStamped], None]:
        def store(message: PoseStamped) -> None:
            time_ns = messages.from_stamp(message.header.stamp)
            self._pairing.add_pose(thing, time_ns, messages.from_pose(message))

        return store

    def _on_step(self, message: JointTrajectory) -> None:
        self._controlled = True
        step = messages.from_step(message, self._rig)
        if self._writer is not None and self._started_ns <= step.time_ns < self._until_ns:
            self._pairing.add_step(step)
        self._write_ready()

    def _write_ready(self) -> None:
        if self._writer is None:
            return
        now_ns = self._time.now_ns()
        try:
            for step, frames in self._pairing.ready(now_ns):
                self._writer.append(step, frames)
        except IlRobotError:
            # The episode ends here, loudly; what was acknowledged is kept.
            self._finish("unmarked")
            raise
        if now_ns > self._until_ns + self._wait_ns:
            self._finish(self._outcome)

    def _on_pedal(self, message: Joy) -> None:
        held, before = list(message.buttons), self._buttons or []
        self._buttons = held
        meaning = self._rig.pedal.meanings
        for button in messages.went_down(before, held):
            self._act(meaning.get(button, ""))

    def _act(self, word: str) -> None:
        recording = self._state == "recording"
        if word == "record" and self._writer is None and not self._waiting():
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._writer = EpisodeWriter.create(self._dataset, replace(self._info, recorded_at=now))
            self._started_ns = self._time.now_ns()
            self._node.get_logger().info(f"recording {self._writer.path.name}")
        elif word == "record" and recording:
            self._stop("unmarked")
        elif word == "success" and recording:
            self._stop("success")
        elif word == "discard" and recording:
            self._stop(None)
        elif word in ("record", "success", "discard"):
            self._node.get_logger().warning(f"{word} does nothing now: {self._state}")
        self._beat()

    def _stop(self, outcome: Outcome | None) -> None:
        """End the episode now (None: throw it away); its last steps may still wait for their frames."""
        self._until_ns, self._outcome = self._time.now_ns(), outcome

    def _finish(self, outcome: Outcome | None) -> None:
        writer, self._writer, self._until_ns = self._writer, None, NEVER_NS
        self._pairing.clear_steps()
        if writer is None:
            return
        if outcome is None or not writer.steps:
            writer.discard()
            self._node.get_logger().info(f"discarded {writer.path.name}")
            return
        path = writer.close(outcome)
        self._saved += 1
        self._node.get_logger().info(f"saved {path.name}: {writer.steps} steps, {outcome}, {_told(writer.losses)}")
        if self._saved == self._episodes:
            self._node.get_logger().info(f"{self._saved} of {self._episodes} episodes saved: the run ends")
            self._life.stop()

    def _beat(self) -> None:
        self._write_ready()
        if rival := self._sources.rival:
            self._refuse(rival)
        elif self._writer is not None:
            if not self._writer.path.is_dir():
                raise Fault(f"{self._writer.path} is gone: somebody removed the episode while it was recorded")
            self._state = "recording" if self._until_ns == NEVER_NS else "saving"
        else:
            self._state = self._waiting() or "ready"
        self._states.publish(String(data=self._state))

    def _refuse(self, rival: str) -> None:
        """Nothing of another session's gets into an episode: the open one ends with what came before, and there is no
        other until that session has gone. Raises Fault where this session has not even begun."""
        if not self._controlled:
            raise Fault(rival)
        self._state = topics.REFUSING + rival
        if self._writer is not None:
            self._node.get_logger().error(f"{rival}; the episode ends here")
            self.close()

    def _waiting(self) -> str:
        """For what a recording could not begin without; empty when nothing. Whoever is not heard yet may not have
        found this process, and the first it says would be lost."""
        missing = (*self._pairing.unheard, *(("pedal",) if self._buttons is None else ()))
        if missing:
            return f"waiting for {', '.join(missing)}"
        return "" if self._controlled else topics.WAITING_FOR_CONTROL

    def _health(self) -> Health:
        level = Level.WARN if self._state.startswith(("waiting", topics.REFUSING)) else Level.OK
        values: dict[str, object] = {"saved": self._saved, "dataset": self._dataset}
        if self._writer is not None:
            values |= {"steps": self._writer.steps, "frames": _told(self._writer.losses)}
        return Health(level, self._state, values)

    def close(self) -> None:
        """Nothing is lost: an episode that is open at the end is kept, unmarked if nobody judged it."""
        if self._writer is not None:
            for step, frames in self._pairing.ready(NEVER_NS):
                self._writer.append(step, frames)
        self._finish("unmarked" if self._until_ns == NEVER_NS else self._outcome)


def _told(losses: Mapping[str, Losses]) -> str:
    """What the cameras did not deliver, in the words of ``docs/episode-format.md``."""
    lossy = [
        f"{camera} {lost.missing} missing, {lost.repeated} repeated, {lost.skipped} skipped"
        for camera, lost in losses.items()
        if lost.missing or lost.repeated or lost.skipped
    ]
    return f"frames: {'; '.join(lossy)}" if lossy else f"every frame of {len(losses)} cameras"


def main() -> None:
    sys.exit(process.run("recorder", RecorderNode, SingleThreadedExecutor, images=True))
