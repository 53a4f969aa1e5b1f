"""Smooth, rate-limited motion of one leader arm towards a tool pose."""

from __future__ import annotations

import numpy as np

from il_robot.rig import Rig
from il_robot.sim.kinematics import ArmKinematics, Pose, Vector
from il_robot.types import Floats

_SHARE_OF_LIMIT = 0.45
"""Of the rig's velocity limit: the safety gate never has to slow the expert down, not even at speed 1.3."""
_GRIPPER_PER_S = 2.5
_TOOL_M_PER_S = 0.30
_TOOL_RAD_PER_S = 1.5
_APPROACH_PER_S = 7.0
"""Close to the goal the speed is this times the distance, so the arm glides in."""
_ACCELERATION = 12.0
"""[rad/s^2]"""
_UNREACHED = 0.005
"""Error [m + rad] of inverse kinematics that ran into a joint limit on its way: start again from the start pose."""


class ArmMotion:
    """The command of one arm, moved a little each step; starts at rest where the arm is."""

    def __init__(self, rig: Rig, arm: str, measured: Floats) -> None:
        """``measured`` (J,): the joints of the whole rig now."""
        self.kinematics = ArmKinematics(rig, arm)
        self._slice = rig.arm_slice(arm)
        self._period = 1.0 / rig.rate_hz
        self._limit = _SHARE_OF_LIMIT * rig.velocity[self._slice][:6].astype(np.float64)
        self._canonical = rig.start[self._slice][:6].astype(np.float64)
        self.start_from(measured)

    def start_from(self, measured: Floats) -> None:
        """Forgets the motion so far: the command is where the arm is, at rest."""
        joints = measured[self._slice].astype(np.float64)
        self._joints = np.clip(joints[:6], self.kinematics.lower, self.kinematics.upper)
        self._opening = float(np.clip(joints[6], 0.0, 1.0))
        self._velocity = np.zeros(6)
        self._solution = self._canonical

    @property
    def command(self) -> Vector:
        """(7,) joints [rad] and gripper opening."""
        return np.append(self._joints, self._opening)

    def along_joints(self, goal: Pose, speed: float) -> None:
        """One step towards ``goal`` as the joints go: for free space, whatever posture the arm comes from."""
        solution, error = self.kinematics.solve(self._solution, goal)
        if error > _UNREACHED:
            solution, _ = self.kinematics.solve(self._canonical, goal, iterations=80)
        self._solution = solution
        self._advance(_APPROACH_PER_S * (self._solution - self._joints), speed)

    def along_line(self, goal: Pose, speed: float) -> None:
        """One step towards ``goal`` with the tool on a straight line: for the last centimetres."""
        tool = self.kinematics.tool(self._joints)
        twist = _APPROACH_PER_S * tool.error_to(goal)
        twist[:3] *= _shrink(twist[:3], speed * _TOOL_M_PER_S)
        twist[3:] *= _shrink(twist[3:], speed * _TOOL_RAD_PER_S)
        joints, _ = self.kinematics.solve(self._joints, tool.moved(twist * self._period), iterations=5)
        self._advance((joints - self._joints) / self._period, speed)

    def rest(self) -> None:
        """One step of slowing down to where it stands."""
        self._advance(np.zeros(6), 1.0)

    def grip(self, opening: float, speed: float) -> None:
        """One step of the gripper towards ``opening``."""
        step = speed * _GRIPPER_PER_S * self._period
        self._opening += float(np.clip(opening - self._opening, -step, step))

    def _advance(self, velocity: Vector, speed: float) -> None:
        velocity = velocity * min(1.0, float(np.min(speed * self._limit / np.maximum(np.abs(velocity), 1e-9))))
        change = velocity - self._velocity
        self._velocity = self._velocity + change * _shrink(change, _ACCELERATION * self._period)
        self._joints = np.clip(
            self._joints + self._velocity * self._period, self.kinematics.lower, self.kinematics.upper
        )


def _shrink(vector: Vector, longest: float) -> float:
    """The factor that brings ``vector`` down to at most ``longest``."""
    return min(1.0, longest / max(float(np.linalg.norm(vector)), 1e-12))
