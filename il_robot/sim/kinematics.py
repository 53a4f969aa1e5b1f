"""Forward and inverse kinematics of one follower arm, in the rig's base frame.

The tool centre lies between the finger tips; its frame has x along the fingers, y across them (the way they close).
Inverse kinematics by damped least squares (Wampler 1986; Nakamura and Hanafusa 1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from il_robot.rig import Rig
from il_robot.sim import scene
from il_robot.sim.arm import Look, add_arm

import mujoco  # isort: skip

Vector: TypeAlias = NDArray[np.float64]
_DAMPING = 0.1
"""Large enough that the wrist does not flip over near its singularity, where the forearm is in line with the hand."""
_LARGEST_STEP = 0.4
"""Of one iteration, per joint [rad]."""


@dataclass(frozen=True)
class Pose:
    """Where a tool is."""

    position: Vector
    """(3,) [m]."""
    rotation: Vector
    """(3, 3); its columns are the tool's axes in the base frame."""

    def error_to(self, goal: Pose) -> Vector:
        """(6,) the displacement [m] and the rotation vector [rad] that lead to ``goal``."""
        quaternion, turn = np.empty(4), np.empty(3)
        mujoco.mju_mat2Quat(quaternion, (goal.rotation @ self.rotation.T).ravel())
        mujoco.mju_quat2Vel(turn, quaternion, 1.0)
        return np.concatenate([goal.position - self.position, turn])

    def moved(self, twist: Vector) -> Pose:
        """This pose displaced by ``twist[:3]`` [m] and turned by the rotation vector ``twist[3:]`` [rad]."""
        angle = float(np.linalg.norm(twist[3:]))
        quaternion, turn = np.empty(4), np.empty(9)
        mujoco.mju_axisAngle2Quat(quaternion, twist[3:] / max(angle, 1e-12), angle)
        mujoco.mju_quat2Mat(turn, quaternion)
        return Pose(self.position + twist[:3], turn.reshape(3, 3) @ self.rotation)


class ArmKinematics:
    """The six joints of one arm, without its gripper. Not thread-safe."""

    def __init__(self, rig: Rig, arm: str) -> None:
        """Raises BadInput when the rig has no such arm."""
        rig.arm_slice(arm)
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        joints = next(a for a in rig.arms if a.name == arm)
        add_arm(spec, joints, *scene.BASES[arm], Look((0, 0, 0, 1)))
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._tool = self._model.site(f"{arm}_tool").id
        self._jacobian = np.empty((6, self._model.nv))
        self.lower = np.array([joint.lower for joint in joints.joints[:6]])
        self.upper = np.array([joint.upper for joint in joints.joints[:6]])
        self.base = np.array(scene.BASES[arm][0])
        """(3,) where the arm stands [m]."""

    def tool(self, joints: Vector) -> Pose:
        """The tool's pose with the arm at ``joints`` (6,) [rad]."""
        self._data.qpos[:6] = joints
        mujoco.mj_kinematics(self._model, self._data)
        return Pose(self._data.site_xpos[self._tool].copy(), self._data.site_xmat[self._tool].reshape(3, 3).copy())

    def solve(self, start: Vector, goal: Pose, iterations: int = 30, tolerance: float = 5e-4) -> tuple[Vector, float]:
        """Joints (6,) within the limits that bring the tool to ``goal``, and the error left [m + rad].

        Searches from ``start`` (6,) and so stays in its branch; out of reach it gives the nearest it found.
        """
        joints = np.clip(start, self.lower, self.upper)
        for _ in range(iterations):
            error = self.tool(joints).error_to(goal)
            if np.abs(error).max() < tolerance:
                break
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._tool)
            jacobian = self._jacobian[:, :6]
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + _DAMPING**2 * np.eye(6), error)
            step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-12))
            joints = np.clip(joints + step, self.lower, self.upper)
        return joints, float(np.linalg.norm(self.tool(joints).error_to(goal)))
