"""What the scripted human reads off one observation: where the tools and the cube are, and who has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim.kinematics import ArmKinematics, Pose, Vector
from il_robot.types import Observation

_GRIPPING = (0.40, 0.64)
"""Measured opening with the cube between the fingers."""
_AIRBORNE_M = 0.06
"""A cube whose middle is higher does not stand on the table."""


@dataclass(frozen=True)
class View:
    """What the expert reads off one observation."""

    cube: Pose
    left: Pose
    right: Pose
    left_opening: float
    right_opening: float
    left_grip_speed: float
    """[1/s]."""
    right_grip_speed: float

    @property
    def left_has(self) -> bool:
        """The left fingers are around the cube and stopped by it."""
        return near(self.left, self.cube, 0.03) and _GRIPPING[0] < self.left_opening < _GRIPPING[1]

    @property
    def right_has(self) -> bool:
        """The right fingers are around the cube and stopped by it."""
        return near(self.right, self.cube, 0.03) and _GRIPPING[0] < self.right_opening < _GRIPPING[1]

    @property
    def left_could(self) -> bool:
        """The cube is in the air at the left gripper: it has it, or has only to close."""
        return near(self.left, self.cube, 0.05) and self.cube.position[2] > _AIRBORNE_M


def look(rig: Rig, observation: Observation, left: ArmKinematics, right: ArmKinematics) -> View:
    """What ``observation`` shows. Raises BadInput when it lacks the cube's pose."""
    if "cube" not in observation.objects:
        raise BadInput("the scripted human needs the cube's pose in the observation; the rig's objects lack 'cube'")
    qpos = observation.qpos.astype(np.float64)
    qvel = np.zeros_like(qpos) if observation.qvel is None else observation.qvel
    cube = observation.objects["cube"].astype(np.float64)
    left_joints, right_joints = rig.arm_slice("left"), rig.arm_slice("right")
    return View(
        cube=Pose(cube[:3], _matrix(cube[3:])),
        left=left.tool(qpos[left_joints][:6]),
        right=right.tool(qpos[right_joints][:6]),
        left_opening=float(qpos[left_joints][6]),
        right_opening=float(qpos[right_joints][6]),
        left_grip_speed=abs(float(qvel[left_joints][6])),
        right_grip_speed=abs(float(qvel[right_joints][6])),
    )


def near(a: Pose, b: Pose, metres: float, radians: float = math.inf) -> bool:
    """Whether two poses are closer than ``metres`` and turned by less than ``radians``."""
    error = a.error_to(b)
    return bool(np.linalg.norm(error[:3]) < metres and np.linalg.norm(error[3:]) < radians)


def _matrix(quaternion: Vector) -> Vector:
    """(3, 3) rotation of a quaternion w x y z."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def yaw_of(cube: Pose) -> float:
    """How a cube lies, whatever face is up: the direction of one of its level edges [rad], modulo a quarter turn."""
    upright = int(np.argmax(np.abs(cube.rotation[2])))
    edge = cube.rotation[:, (upright + 1) % 3]
    return math.atan2(edge[1], edge[0])


def turned(axis: int, angle: float) -> Vector:
    """(3, 3) rotation by ``angle`` [rad] about the base frame's x, y or z."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = math.cos(angle)
    turn[j, i] = math.sin(angle)
    turn[i, j] = -turn[j, i]
    return turn
