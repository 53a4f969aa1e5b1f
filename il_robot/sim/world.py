"""The simulated rig: joints, cube and time, one control period at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim import disturbances, scene
from il_robot.sim.arm import FINGER_CLOSED_M, FINGER_OPEN_M
from il_robot.sim.cameras import Cameras
from il_robot.sim.tasks import check_task
from il_robot.types import Floats, Image, Observation

import mujoco  # isort: skip

CUBE_START = ((0.0, 0.2), (-0.1, 0.1))
"""x and y [m] that the cube's place is drawn from, uniformly; as in ACT's transfer cube."""


class World:
    """Two followers and a cube. A driver resets it, then steps and observes it in turn.

    Not thread-safe, and images must be asked for by one thread only.
    """

    def __init__(self, rig: Rig, task: str = "transfer_cube") -> None:
        """Raises BadInput on a task that does not exist and on a rig that is not a stationary ALOHA."""
        check_task(task)
        self.rig = rig
        self.task = task
        self.model = scene.build(rig)
        self.data = mujoco.MjData(self.model)
        self.steps = 0
        """Control periods since the reset."""
        self._substeps = scene.substeps(rig)
        self._joints = _JointAddresses(self.model, rig)
        self._cube_qpos = int(self.model.joint("cube").qposadr[0])
        self._cube_qvel = int(self.model.joint("cube").dofadr[0])
        self._cameras: Cameras | None = None
        self.reset(seed=0)

    def reset(self, seed: int, cube: Floats | None = None) -> None:
        """Arms at the rig's start pose and a cube drawn from ``seed``, or at the pose ``cube`` (7,), all at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.steps = 0
        self.place_arms(self.rig.start)
        self.place_cube(drawn_cube(seed) if cube is None else cube)

    def step(self, action: Floats) -> None:
        """Drives the servos towards ``action`` (J,) for one control period. Raises BadInput on a wrong vector."""
        if np.shape(action) != (len(self.rig.joints),):
            raise BadInput(f"action has shape {np.shape(action)}; the rig has {counted(len(self.rig.joints), 'joint')}")
        if not np.isfinite(action).all():
            raise BadInput(f"action has values that are not finite: {action}")
        self.data.ctrl[self._joints.actuator] = self._joints.to_model(action)
        mujoco.mj_step(self.model, self.data, self._substeps)
        self.steps += 1

    def observe(self, cameras: Sequence[str] = ()) -> Observation:
        """The rig as it is now; images only of the named cameras. Raises BadInput when GL is missing."""
        joints = self._joints
        return Observation(
            qpos=self.qpos,
            qvel=(joints.mean(self.data.qvel, joints.qvel) * joints.scale).astype(np.float32),
            effort=self.data.actuator_force[joints.actuator].astype(np.float32),
            objects={"cube": self.cube},
            images=self._render(cameras) if cameras else {},
            time_ns=self.time_ns,
        )

    def disturb(self, kind: str, rng: np.random.Generator) -> None:
        """Disturbs the scene at once in one of the ways of :data:`disturbances.KINDS`. Raises BadInput on others."""
        disturbances.disturb(self, kind, rng)

    def close(self) -> None:
        """Frees the renderer, if there is one. A second call does nothing."""
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None

    @property
    def time_ns(self) -> int:
        """Simulated time since the reset."""
        return self.steps * self.rig.period_ns

    @property
    def qpos(self) -> Floats:
        """(J,) joint positions [rad], grippers [opening 0..1]."""
        joints = self._joints
        qpos: Floats = ((joints.mean(self.data.qpos, joints.qpos) - joints.offset) * joints.scale).astype(np.float32)
        return qpos

    @property
    def cube(self) -> Floats:
        """(7,) the cube's position [m] and quaternion w x y z in the rig's base frame."""
        pose: Floats = self.data.qpos[self._cube_qpos : self._cube_qpos + 7].astype(np.float32)
        return pose

    @property
    def diverged(self) -> bool:
        """Whether the physics broke down since the reset: numbers ran out of bounds or became NaN."""
        kinds = (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)
        return any(self.data.warning[kind].number > 0 for kind in kinds)

    def place_arms(self, qpos: Floats) -> None:
        """Puts the arms at ``qpos`` (J,), at rest, their servos holding there."""
        joints = self._joints
        self.data.ctrl[joints.actuator] = joints.to_model(qpos)
        for addresses in joints.qpos:
            self.data.qpos[addresses] = joints.to_model(qpos)
        for addresses in joints.qvel:
            self.data.qvel[addresses] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def push_arms(self, qpos: Floats) -> None:
        """Moves the joints to ``qpos`` (J,), or their limits, while the servos keep pulling to the last action."""
        target = self._joints.to_model(np.clip(qpos, self.rig.lower, self.rig.upper))
        for addresses in self._joints.qpos:
            self.data.qpos[addresses] = target
        mujoco.mj_forward(self.model, self.data)

    def place_cube(self, pose: Floats, velocity: Floats | None = None) -> None:
        """Puts the cube at ``pose`` (7,) with ``velocity`` (6,) linear [m/s] and angular [rad/s], or at rest."""
        if np.shape(pose) != (7,) or not np.isfinite(pose).all() or np.linalg.norm(pose[3:]) < 1e-3:
            raise BadInput(f"a cube's pose is x y z qw qx qy qz; got {pose}")
        self.data.qpos[self._cube_qpos : self._cube_qpos + 7] = pose
        self.data.qvel[self._cube_qvel : self._cube_qvel + 6] = 0.0 if velocity is None else velocity
        mujoco.mj_forward(self.model, self.data)

    def _render(self, names: Sequence[str]) -> dict[str, Image]:
        if self._cameras is None:
            self._cameras = Cameras(self.model, self.data, self.rig.cameras)
        return self._cameras.render(names)


def drawn_cube(seed: int) -> Floats:
    """(7,) where the cube lies when an episode begins with ``seed``."""
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(*bounds) for bounds in CUBE_START)
    return np.array([x, y, scene.CUBE_HALF_M, 1, 0, 0, 0], np.float32)


class _JointAddresses:
    """Where the rig's joints live in the model, and how its units become ours.

    A gripper's opening is the mean of two finger slides [m]; every other joint is its own mean.
    """

    def __init__(self, model: mujoco.MjModel, rig: Rig) -> None:
        gripper = np.array([joint.name == "gripper" for joint in rig.joints])
        span = FINGER_OPEN_M - FINGER_CLOSED_M
        self.scale = np.where(gripper, 1.0 / span, 1.0)
        self.offset = np.where(gripper, FINGER_CLOSED_M, 0.0)
        self.actuator = np.array([model.actuator(name).id for name in rig.joint_names])
        pairs = [_slides_of(name) for name in rig.joint_names]
        self.qpos = np.array([[int(model.joint(name).qposadr[0]) for name in pair] for pair in pairs]).T
        self.qvel = np.array([[int(model.joint(name).dofadr[0]) for name in pair] for pair in pairs]).T

    def to_model(self, qpos: Floats) -> NDArray[np.float64]:
        """The model's positions [rad, m] for the rig's (J,)."""
        return np.asarray(qpos, np.float64) / self.scale + self.offset

    @staticmethod
    def mean(values: NDArray[np.float64], addresses: NDArray[np.int64]) -> NDArray[np.float64]:
        """(J,) the model's ``values``, two fingers averaged into one gripper."""
        mean: NDArray[np.float64] = values[addresses].mean(axis=0)
        return mean


def _slides_of(joint: str) -> tuple[str, str]:
    """The model's joints behind a joint of the rig: the two fingers of a gripper, else twice itself."""
    if not joint.endswith("_gripper"):
        return joint, joint
    arm = joint.removesuffix("_gripper")
    return f"{arm}_finger_a", f"{arm}_finger_b"
