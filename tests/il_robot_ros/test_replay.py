"""The replay of an episode beside everything around it, played: what it asks for next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.episodes.layout import episode_info
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Gate, Mode, Observation, Step
from il_robot_ros import messages, topics
from il_robot_ros.process import Life
from il_robot_ros.replay import ReplayNode

pytestmark = pytest.mark.ros
RIG = load_rig("koch")
PATIENCE_S = 60.0
FAR_RAD = 0.001
"""From one action of the episode to the next, in its first joint."""


def record(dataset: Path) -> Path:
    """An episode of a second whose every action is another one."""
    writer = EpisodeWriter.create(dataset, episode_info(RIG, task="wave"), minimum_s=1)
    still = np.zeros_like(RIG.start)
    for t in range(50):
        action, now_ns = RIG.start.copy(), t * RIG.period_ns
        action[0] += FAR_RAD * t
        seen = Observation(RIG.start, now_ns, still, still)
        writer.append(Step(now_ns, seen, (now_ns,), action, action, Mode.DEMONSTRATION, 0, Gate.PASSED), {})
    return writer.close("success")


class Stage:
    """The replay's node, and what it hears."""

    def __init__(self, context: rclpy.Context) -> None:
        self._life = Life()
        replaying, player = Node("replay", context=context), Node("player", context=context)
        self.replay = ReplayNode(replaying, self._life)
        self._drivers = player.create_publisher(String, topics.DRIVER, topics.LATCHED)
        self._states = player.create_publisher(JointState, topics.joint_states(RIG.arms[0].follower), topics.NEWEST)
        self._asked: dict[int, int] = {}
        """By the observation's time: which action of the episode is asked for at once."""
        player.create_subscription(JointTrajectory, topics.CHUNK, self._on_chunk, topics.STREAM)
        self._executor = SingleThreadedExecutor(context=context)
        for node in (replaying, player):
            self._executor.add_node(node)
        self._now_ns = 10**9

    def close(self) -> None:
        self._life.stop()
        self._life.join()

    def drive(self, driver: str) -> None:
        """Says who drives until that is heard."""

        def say() -> None:
            self._drivers.publish(String(data=driver))

        self._until(lambda: self.replay._driver == driver, say)

    def tick(self) -> int:
        """The next state of the follower; which action it is answered with."""
        self._now_ns += RIG.period_ns
        still = np.zeros_like(RIG.start)
        state = messages.to_joint_state(RIG.arms[0].joint_names, self._now_ns, RIG.start, still, still)
        self._until(lambda: self._now_ns in self._asked, lambda: self._states.publish(state))
        return self._asked[self._now_ns]

    def _on_chunk(self, message: JointTrajectory) -> None:
        chunk = messages.from_chunk(message, RIG.joint_names, RIG.period_ns)
        self._asked[chunk.start_ns] = round(float(chunk.qpos[0, 0] - RIG.start[0]) / FAR_RAD)

    def _until(self, holds: Callable[[], bool], do: Callable[[], None]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline_s, self._life.error
            do()
            until_s = time.monotonic() + 0.02
            while not holds() and time.monotonic() < until_s:
                self._executor.spin_once(timeout_sec=0.005)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    given = ["--ros-args", "-p", "rig:=koch", "-p", f"episode:={record(tmp_path)}"]
    context = rclpy.Context()
    rclpy.init(args=given, context=context, signal_handler_options=SignalHandlerOptions.NO)
    stage = Stage(context)
    yield stage
    stage.close()
    context.try_shutdown()


@pytest.mark.parametrize("other", ["hold", "human"])
def test_what_was_not_driven_is_not_left_out(stage: Stage, other: str) -> None:
    stage.drive("returning")
    assert [stage.tick() for _ in range(3)] == [0, 0, 0]
    stage.drive("robot")
    assert [stage.tick() for _ in range(5)] == [0, 1, 2, 3, 4]
    stage.drive(other)
    assert [stage.tick() for _ in range(20)] == [4] * 20
    stage.drive("robot")
    assert [stage.tick() for _ in range(3)] == [5, 6, 7]
    stage.drive("idle")
    assert stage.tick() == 0, "the next episode begins at the first action"
