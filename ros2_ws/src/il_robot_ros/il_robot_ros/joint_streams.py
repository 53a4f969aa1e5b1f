"""The newest joint states of several arms as one observation: what policy, puppeteer and replay look at."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState

from il_robot.rig import Rig
from il_robot.types import Floats, Observation
from il_robot_ros import messages, topics

KEPT = 10
State = tuple[Floats, Floats, Floats]
Kept = TypeVar("Kept")


class FollowerStreams:
    """Subscribes the followers' joint states and the objects' poses, and keeps the last few of each by stamp."""

    def __init__(self, node: Node, rig: Rig) -> None:
        self._arrived = threading.Condition()
        self._arms: dict[str, deque[tuple[int, State]]] = {}
        self._poses: dict[str, deque[tuple[int, Floats]]] = {}
        for arm in rig.arms:
            kept = self._arms[arm.follower] = deque(maxlen=KEPT)
            node.create_subscription(
                JointState, topics.joint_states(arm.follower), self._joints_into(kept, arm.joint_names), topics.NEWEST
            )
        for thing in rig.objects:
            poses = self._poses[thing] = deque(maxlen=KEPT)
            node.create_subscription(PoseStamped, topics.pose(thing), self._poses_into(poses), topics.NEWEST)

    def _joints_into(self, kept: deque[tuple[int, State]], names: tuple[str, ...]) -> Callable[[JointState], None]:
        def store(message: JointState) -> None:
            state = messages.from_joint_state(message, names)
            with self._arrived:
                kept.append((messages.from_stamp(message.header.stamp), state))
                self._arrived.notify_all()

        return store

    def _poses_into(self, kept: deque[tuple[int, Floats]]) -> Callable[[PoseStamped], None]:
        def store(message: PoseStamped) -> None:
            with self._arrived:
                kept.append((messages.from_stamp(message.header.stamp), messages.from_pose(message)))
                self._arrived.notify_all()

        return store

    def wait_newer(self, than_ns: int, timeout_s: float) -> Observation | None:
        """The next observation newer than that moment; None when none comes in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._newest_common_ns() > than_ns, timeout_s)
        observation = self.observation()
        return observation if observation is not None and observation.time_ns > than_ns else None

    def _newest_common_ns(self) -> int:
        if not all(self._arms.values()) or not all(self._poses.values()):
            return 0
        return min([kept[-1][0] for kept in self._arms.values()] + [kept[-1][0] for kept in self._poses.values()])

    def observation(self, not_after_ns: int | None = None) -> Observation | None:
        """The newest moment at which every stream has spoken (not after the given one); None while one is silent.

        Its ``time_ns`` is the oldest stamp used.
        """
        common_ns = self._newest_common_ns()
        if not common_ns:
            return None
        if not_after_ns is not None:
            common_ns = min(common_ns, not_after_ns)
        arms = [_newest(kept, common_ns) for kept in self._arms.values()]
        poses = {thing: _newest(kept, common_ns) for thing, kept in self._poses.items()}
        qpos, qvel, effort = (np.concatenate([state[i] for _, state in arms]) for i in range(3))
        stamps = [stamp for stamp, _ in arms] + [stamp for stamp, _ in poses.values()]
        return Observation(qpos, min(stamps), qvel, effort, objects={thing: pose for thing, (_, pose) in poses.items()})


def _newest(kept: deque[tuple[int, Kept]], not_after_ns: int) -> tuple[int, Kept]:
    """The newest entry not after that moment, else the oldest there is."""
    entries = list(kept)
    return next((entry for entry in reversed(entries) if entry[0] <= not_after_ns), entries[0])
