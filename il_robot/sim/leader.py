"""A simulated leader arm: light, back-drivable, moved either by a hand or by its own motors."""

from __future__ import annotations

import numpy as np

from il_robot.rig import NS_PER_S, Arm
from il_robot.types import Floats

HAND_SPEED = 2.0
"""A hand may move a leader this many times faster than the follower's velocity limit: the gate must cope."""


class Leader:
    """Joint angles that go where the hand, or with motors on the last command, wants them.

    The motors are strong enough to hold the arm and too weak to fight a hand: with motors on, the hand waits.
    """

    def __init__(self, arm: Arm, period_ns: int) -> None:
        self._step = np.array([joint.velocity for joint in arm.joints], np.float32) * np.float32(period_ns / NS_PER_S)
        self._per_s = np.float32(NS_PER_S / period_ns)
        self.qpos = np.array([joint.start for joint in arm.joints], np.float32)
        """(J of the arm,)."""
        self.qvel = np.zeros_like(self.qpos)
        self.torque = False
        """Motors on: the leader mirrors."""
        self.hand: Floats | None = None
        """(J of the arm,) where the hand wants it."""
        self.command: Floats | None = None
        """(J of the arm,) where the motors want it."""

    def step(self) -> None:
        """One period passes."""
        target = self.command if self.torque else self.hand
        before = self.qpos
        if target is not None:
            reach = self._step if self.torque else self._step * np.float32(HAND_SPEED)
            self.qpos = before + np.clip(target - before, -reach, reach)
        self.qvel = (self.qpos - before) * self._per_s
