"""A rig that is played over DDS around the real control process: arms, pedal, recorder and policy.

Each can fall silent or say what must not be followed, while the others go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import rclpy
from fault_times import wait_until
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.types import ActionChunk, Floats, Step
from il_robot_ros import messages, topics

TICK_S = 0.02


class Played:
    """Everything around control, 50 times a second: arms that stand at the start pose, unless told otherwise."""

    def __init__(self) -> None:
        self.rig = load_rig("koch")
        (self.arm,) = self.rig.arms
        self.node = rclpy.create_node("played")
        self.silent: set[str] = set()
        """Sources that say nothing: an arm, pedal, recorder, policy."""
        self.leader: Floats = self.rig.start.copy()
        self.follower: Floats = self.rig.start.copy()
        self.late_ns = 0
        """How old the leader's stamp is."""
        self.chunk: Floats = np.repeat(self.rig.start[None], 20, axis=0)
        self.ahead_ns = 0
        """How far the predictions' stamps lie ahead."""
        self.buttons = [0] * 4
        self.steps: list[Step] = []
        create = self.node.create_publisher
        self._joints = {n: create(JointState, topics.joint_states(n), topics.NEWEST) for n in self._arms()}
        self._pedal = create(Joy, topics.PEDAL, topics.STREAM)
        self._recorder = create(String, topics.RECORDER, topics.LATCHED)
        self._chunks = create(JointTrajectory, topics.CHUNK, topics.STREAM)
        self.node.create_subscription(JointTrajectory, topics.STEP, self._on_step, topics.STREAM)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._listen), threading.Thread(target=self._speak)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()

    def until_step(self, since_ns: int, holds: Callable[[Step], bool], what: str) -> float:
        """Seconds from ``since_ns`` to the first step of which that holds."""
        found: list[Step] = []

        def look() -> bool:
            found[:] = [step for step in self.steps if step.time_ns > since_ns and holds(step)][:1]
            return bool(found)

        wait_until(look, what)
        return (found[0].time_ns - since_ns) / 1e9

    def settle(self) -> None:
        """Until control has driven for a moment without holding."""
        wait_until(lambda: len(self.steps) > 25 and not any(s.gate for s in self.steps[-25:]), "it drives again", 0.02)

    def say_pedal(self) -> None:
        self._pedal.publish(Joy(buttons=self.buttons))

    def _arms(self) -> tuple[str, str]:
        return self.arm.follower, self.arm.leader

    def _on_step(self, message: JointTrajectory) -> None:
        self.steps = [*self.steps[-200:], messages.from_step(message, self.rig)]

    def _listen(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _speak(self) -> None:
        beat = 0
        while not self._ending.is_set():
            beat += 1
            self._speak_once(beat)
            time.sleep(TICK_S - time.time() % TICK_S)

    def _speak_once(self, beat: int) -> None:
        now_ns, still = time.time_ns(), np.zeros(len(self.rig.joints), np.float32)
        for name, qpos, late_ns in (
            (self.arm.follower, self.follower, 0),
            (self.arm.leader, self.leader, self.late_ns),
        ):
            if name not in self.silent:
                state = messages.to_joint_state(self.arm.joint_names, now_ns - late_ns, qpos, still, still)
                self._joints[name].publish(state)
        if beat % 10 == 0 and "pedal" not in self.silent:
            self.say_pedal()
        if beat % 10 == 5 and "recorder" not in self.silent:
            self._recorder.publish(String(data="recording"))
        if "policy" not in self.silent:
            chunk = ActionChunk(self.chunk, now_ns + self.ahead_ns, self.rig.period_ns)
            self._chunks.publish(messages.to_chunk(chunk, self.rig.joint_names))
