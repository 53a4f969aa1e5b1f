"""What the control node has heard, and from whom too long nothing: callbacks store, a tick takes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from il_robot.control.rate import Clock
from il_robot.control.session import Inputs
from il_robot.control.watchdog import Watchdog
from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.types import ActionChunk, Floats, Observation
from il_robot_ros import messages, topics
from il_robot_ros.sole_sources import SoleSources


class Inbox:
    """The newest state of every arm, the chunks and presses since the last tick. Safe between threads."""

    def __init__(
        self, node: Node, rig: Rig, clock: Clock, sources: SoleSources, patience_ns: Mapping[str, int]
    ) -> None:
        """Listens to what ``patience_ns`` names (``arms``, ``pedal``, and where they belong to the run ``recorder``
        and ``policy``): how long each may be silent before that is a fault [ns]."""
        self._node, self._rig, self._clock, self._sources = node, rig, clock, sources
        self._lock = threading.Lock()
        self._joints: dict[str, tuple[int, Floats, Floats, Floats]] = {}
        self._chunks: list[ActionChunk] = []
        self._buttons: list[int] = []
        self._presses = 0
        self._recording = False
        self._refusing = ""
        """Why the recorder takes nothing now."""
        self._watchdog = Watchdog()
        for arm in rig.arms:
            for name in (arm.follower, arm.leader):
                self._watchdog.watch(name, patience_ns["arms"])
                self._listen_to_joints(name, arm.joint_names)
        subscriptions = {
            "recorder": (String, topics.RECORDER, self._on_recorder, topics.LATCHED),
            "pedal": (Joy, topics.PEDAL, self._on_pedal, topics.STREAM),
            "policy": (JointTrajectory, topics.CHUNK, self._on_chunk, topics.STREAM),
        }
        for name, subscription in subscriptions.items():
            if name in patience_ns:
                self._watchdog.watch(name, patience_ns[name])
                sources.subscribe(*subscription)

    @property
    def never_heard(self) -> tuple[str, ...]:
        """The sources that have not spoken yet."""
        with self._lock:
            return tuple(self._watchdog.never_heard)

    def leader_beside_follower(self) -> Floats:
        """(J,) leaders' positions less the followers'. Only once every arm has spoken."""
        with self._lock:
            difference: Floats = self._positions("leader") - self._positions("follower")
            return difference

    def forget(self) -> None:
        """Drops chunks and presses: what was pressed long before anybody could drive must not free the leaders now."""
        with self._lock:
            self._chunks, self._presses = [], 0

    def take(self, now_ns: int, needed: Sequence[str]) -> Inputs:
        """What a tick decides on; chunks and presses are handed out once. Only once every arm has spoken."""
        with self._lock:
            followers = [self._joints[arm.follower] for arm in self._rig.arms]
            joint_ns = tuple(state[0] for state in followers)
            qpos, qvel, effort = (np.concatenate([state[i] for state in followers]) for i in (1, 2, 3))
            chunks, self._chunks = self._chunks, []
            presses, self._presses = self._presses, 0
            return Inputs(
                observation=Observation(qpos, min(joint_ns), qvel, effort),
                joint_ns=joint_ns,
                leader=self._positions("leader"),
                leader_ns=min(self._joints[arm.leader][0] for arm in self._rig.arms),
                chunks=chunks,
                presses=presses,
                engaged=self._recording,
                faults=self._faults(now_ns, needed),
            )

    def _faults(self, now_ns: int, needed: Sequence[str]) -> tuple[str, ...]:
        if self._sources.rival:  # all that is needed is silent then, too: it is not listened to
            return (self._sources.rival,)
        refusing = (f"recorder: {self._refusing}",) if self._refusing else ()
        return (*refusing, *self._watchdog.faults(now_ns, needed))

    def _positions(self, kind: str) -> Floats:
        return np.concatenate([self._joints[getattr(arm, kind)][1] for arm in self._rig.arms])

    def _listen_to_joints(self, arm: str, names: tuple[str, ...]) -> None:
        def on_joints(message: JointState) -> None:
            time_ns = messages.from_stamp(message.header.stamp)
            with self._lock:
                self._joints[arm] = (time_ns, *messages.from_joint_state(message, names))
                self._watchdog.heard(arm, time_ns)

        self._sources.subscribe(JointState, topics.joint_states(arm), on_joints, topics.NEWEST)

    def _on_recorder(self, message: String) -> None:
        with self._lock:
            self._recording = message.data == "recording"
            self._refusing = message.data.partition(topics.REFUSING)[2]
            if message.data == topics.WAITING_FOR_CONTROL or not message.data.startswith("waiting"):
                self._watchdog.heard("recorder", self._clock.now_ns())

    def _on_pedal(self, message: Joy) -> None:
        with self._lock:
            before, self._buttons = self._buttons, list(message.buttons)
            self._presses += self._rig.pedal.takeover in messages.went_down(before, self._buttons)
            self._watchdog.heard("pedal", self._clock.now_ns())

    def _on_chunk(self, message: JointTrajectory) -> None:
        try:
            chunk = messages.from_chunk(message, self._rig.joint_names, self._rig.period_ns)
        except BadInput as error:
            # Not followed, and not heard: a policy that goes on like this makes the followers hold.
            self._node.get_logger().error(f"policy: {error}")
            return
        with self._lock:
            self._chunks.append(chunk)
            self._watchdog.heard("policy", chunk.start_ns)
