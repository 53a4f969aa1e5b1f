"""The newest joint states of several arms as one observation: what policy, puppeteer and replay look at."""

from __future__ import annotations

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
        self._rig = rig
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

    @staticmethod
    def _joints_into(kept: deque[tuple[int, State]], names: tuple[str, ...]) -> Callable[[JointState], None]:
        def store(message: JointState) -> None:
            kept.append((messages.from_stamp(message.header.stamp), messages.from_joint_state(message, names)))

        return store

    @staticmethod
    def _poses_into(kept: deque[tuple[int, Floats]]) -> Callable[[PoseStamped], None]:
        def store(message: PoseStamped) -> None:
            kept.append((messages.from_stamp(message.header.stamp), messages.from_pose(message)))

        return store

    def observation(self, not_after_ns: int | None = None) -> Observation | None:
        """The newest moment at which every stream has spoken (not after the given one); None while one is silent.

        Its ``time_ns`` is the oldest stamp used.
        """
        streams = [*self._arms.values(), *self._poses.values()]
        if not all(streams):
            return None
        common_ns = min(kept[-1][0] for kept in streams)
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
