"""One follower arm, the ViperX-300 6DoF, in primitives: link lengths, masses and servos of the real one.

Lengths and masses: Interbotix' vx300s description; servo gains, damping and armature: the values that the MuJoCo
Menagerie identified on a real ALOHA (Google DeepMind, aloha model). Left out: dry friction and the sag under gravity,
so that at rest a follower stands exactly where its leader does. Lengths [m], masses [kg].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_robot.rig import Arm
from il_robot.sim import headless  # noqa: F401  (chooses the GL before mujoco is imported)

import mujoco  # isort: skip

JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")

FINGER_CLOSED_M = 0.002
"""Distance of a finger's inner face from the middle at opening 0."""
FINGER_OPEN_M = 0.037
"""The same at opening 1."""
TOOL_M = 0.14
"""The tool centre, between the finger tips, ahead of the wrist_rotate joint."""

DARK = (0.17, 0.18, 0.20, 1.0)
METAL = (0.50, 0.52, 0.55, 1.0)
FINGER = (0.30, 0.31, 0.33, 1.0)


@dataclass(frozen=True)
class _Servo:
    axis: tuple[float, float, float]
    kp: float
    damping: float
    armature: float
    torque: float
    """Largest torque [N m]."""


_SERVOS = {
    "waist": _Servo((0, 0, 1), 43.0, 5.76, 0.01, 35.0),
    "shoulder": _Servo((0, 1, 0), 265.0, 20.0, 0.395, 144.0),
    "elbow": _Servo((0, 1, 0), 227.0, 18.49, 0.383, 59.0),
    "forearm_roll": _Servo((1, 0, 0), 78.0, 6.78, 0.14, 22.0),
    "wrist_angle": _Servo((0, 1, 0), 37.0, 6.28, 0.01, 35.0),
    "wrist_rotate": _Servo((1, 0, 0), 10.4, 1.2, 0.01, 35.0),
}
_LINKS = {
    # joint: (where its link begins in the link before, mass)
    "waist": ((0.0, 0.0, 0.079), 0.80),
    "shoulder": ((0.0, 0.0, 0.04805), 0.79),
    "elbow": ((0.05955, 0.0, 0.3), 0.32),
    "forearm_roll": ((0.2, 0.0, 0.0), 0.41),
    "wrist_angle": ((0.1, 0.0, 0.0), 0.12),
    "wrist_rotate": ((0.069744, 0.0, 0.0), 0.55),
}
_FINGER_KP = 2000.0
_FINGER_DAMPING = 124.0
_FINGER_FORCE_N = 30.0


@dataclass(frozen=True)
class Look:
    """What tells one arm from the other: its accent colour, and its bits in MuJoCo's collision masks."""

    accent: tuple[float, float, float, float]
    contype: int = 1
    conaffinity: int = 0


def add_arm(spec: mujoco.MjSpec, arm: Arm, position: tuple[float, float, float], yaw: float, look: Look) -> None:
    """Adds ``arm`` to the model with its base at ``position`` [m], facing ``yaw`` [rad], and its seven servos."""
    paint = _Painter(look)
    base = spec.worldbody.add_body(
        name=f"{arm.name}_base", pos=position, quat=(np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)), gravcomp=1
    )
    paint.box(base, (-0.02, 0, 0.0), (0.09, 0.075, 0.02), DARK)
    paint.cylinder(base, (0, 0, 0.018), (0, 0, 0.07), 0.045, DARK)
    body = base
    for joint in arm.joints[:-1]:
        offset, mass = _LINKS[joint.name]
        servo = _SERVOS[joint.name]
        body = body.add_body(name=f"{arm.name}_{joint.name}_link", pos=offset, gravcomp=1)
        name = f"{arm.name}_{joint.name}"
        body.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=servo.axis,
            range=(joint.lower, joint.upper),
            damping=[servo.damping, 0, 0],
            armature=servo.armature,
        )
        actuator = spec.add_actuator(
            name=name,
            target=name,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            ctrlrange=(joint.lower, joint.upper),
            forcerange=(-servo.torque, servo.torque),
        )
        actuator.set_to_position(kp=servo.kp)
        paint.link(body, joint.name, mass)
    body.add_site(name=f"{arm.name}_tool", pos=(TOOL_M, 0, 0), group=5)
    _add_gripper(spec, arm, body, paint)


def _add_gripper(spec: mujoco.MjSpec, arm: Arm, wrist: mujoco.MjsBody, paint: _Painter) -> None:
    """Two fingers on one rack: coupled slides, one servo whose length is the mean of both."""
    names = [f"{arm.name}_finger_{side}" for side in ("a", "b")]
    for name, sign in zip(names, (1.0, -1.0), strict=True):
        finger = wrist.add_body(name=f"{name}_link", gravcomp=1)
        finger.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=(0, sign, 0),
            range=(FINGER_CLOSED_M, FINGER_OPEN_M),
            damping=[10.0, 0, 0],
            armature=0.243,
            ref=0.0,
        )
        paint.finger(finger, sign)
    coupling = spec.add_equality(
        name=f"{arm.name}_rack",
        type=mujoco.mjtEq.mjEQ_JOINT,
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        name1=names[0],
        name2=names[1],
    )
    coupling.data[:5] = (0, 1, 0, 0, 0)
    rack = spec.add_tendon(name=f"{arm.name}_gripper")
    for name in names:
        rack.wrap_joint(name, 0.5)
    actuator = spec.add_actuator(
        name=f"{arm.name}_gripper",
        target=f"{arm.name}_gripper",
        trntype=mujoco.mjtTrn.mjTRN_TENDON,
        ctrlrange=(FINGER_CLOSED_M, FINGER_OPEN_M),
        forcerange=(-_FINGER_FORCE_N, _FINGER_FORCE_N),
    )
    actuator.set_to_position(kp=_FINGER_KP, kv=_FINGER_DAMPING)


@dataclass(frozen=True)
class _Painter:
    """Adds shapes that are seen and collide; the mass of a link is spread over its first shape."""

    look: Look

    def link(self, body: mujoco.MjsBody, joint: str, mass: float) -> None:
        """The shapes of the link that ``joint`` moves."""
        accent = self.look.accent
        if joint == "waist":
            self.box(body, (0, 0, 0.02), (0.045, 0.05, 0.035), accent, mass)
        elif joint == "shoulder":
            self.box(body, (0, 0, 0.15), (0.028, 0.034, 0.17), DARK, mass)
            self.box(body, (0.03, 0, 0.3), (0.045, 0.034, 0.028), DARK)
            self.cylinder(body, (0, -0.047, 0), (0, 0.047, 0), 0.032, METAL)
        elif joint == "elbow":
            self.box(body, (0.1, 0, 0), (0.1, 0.026, 0.026), accent, mass)
            self.cylinder(body, (0, -0.043, 0), (0, 0.043, 0), 0.03, METAL)
        elif joint == "forearm_roll":
            self.box(body, (0.045, 0, 0), (0.05, 0.028, 0.024), DARK, mass)
        elif joint == "wrist_angle":
            self.box(body, (0.03, 0, 0), (0.03, 0.022, 0.02), METAL, mass)
            self.cylinder(body, (0, -0.035, 0), (0, 0.035, 0), 0.024, accent)
        else:
            self.box(body, (0.02, 0, 0), (0.025, 0.028, 0.024), DARK, mass)
            self.box(body, (0.055, 0, 0), (0.012, 0.062, 0.016), accent)
            # The bracket and the camera that looks along the fingers.
            self.box(body, (0.02, 0, 0.05), (0.006, 0.01, 0.03), DARK)
            self.box(body, (0.025, 0, 0.085), (0.01, 0.021, 0.012), METAL)

    def finger(self, body: mujoco.MjsBody, sign: float) -> None:
        """A finger whose inner face lies at y = 0 of its slide: a mount and a flat pad that grips."""
        self.box(body, (0.075, sign * 0.011, 0), (0.012, 0.011, 0.012), DARK, 0.04)
        self.box(body, (0.118, sign * 0.005, 0), (0.037, 0.005, 0.011), FINGER, 0.04, grips=True)

    def box(
        self,
        body: mujoco.MjsBody,
        position: tuple[float, float, float],
        half_size: tuple[float, float, float],
        rgba: tuple[float, float, float, float],
        mass: float = 0.0,
        *,
        grips: bool = False,
    ) -> None:
        geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=position, size=half_size, rgba=rgba, mass=mass)
        self._collide(geom)
        if grips:
            geom.condim = 4
            geom.friction = (1.2, 0.02, 0.0001)
            geom.solref = (0.01, 1.0)

    def cylinder(
        self,
        body: mujoco.MjsBody,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        radius: float,
        rgba: tuple[float, float, float, float],
    ) -> None:
        geom = body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER, fromto=(*start, *end), size=(radius, 0, 0), rgba=rgba, mass=0.0
        )
        self._collide(geom)

    def _collide(self, geom: mujoco.MjsGeom) -> None:
        geom.contype = self.look.contype
        geom.conaffinity = self.look.conaffinity
