"""The MuJoCo model of the stationary ALOHA: table, two followers that face each other, a red cube, four cameras.

Base frame of the rig: origin in the middle of the table top, x from the left to the right arm, y away from the
operator, z up [m]. Everything is a box or a cylinder, so a software renderer draws it in about a millisecond a camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from il_robot.errors import BadInput, nearest
from il_robot.rig import Rig
from il_robot.sim.arm import DARK, JOINTS, METAL, Look, add_arm

import mujoco  # isort: skip

TIMESTEP_S = 0.002
"""The longest physics step; a control period holds a whole number of steps."""
CUBE_HALF_M = 0.02
TABLE_HALF_M = (0.61, 0.38)
BASES = {"left": ((-0.469, -0.019, 0.02), 0.0), "right": ((0.469, -0.019, 0.02), math.pi)}
"""Where each arm's base stands and the yaw [rad] it faces."""

_BLUE = (0.16, 0.33, 0.60, 1.0)
_TEAL = (0.10, 0.50, 0.45, 1.0)
_TABLE = (0.80, 0.71, 0.57, 1.0)
_CUBE = (0.90, 0.06, 0.06, 1.0)
_WALL = (0.78, 0.81, 0.84, 1.0)
_SIDE = (0.66, 0.70, 0.74, 1.0)
_FLOOR = (0.40, 0.42, 0.45, 1.0)
# Collision bits: an arm meets the other arm and the world, never itself.
_LEFT, _RIGHT, _WORLD = 1, 2, 4
_LOOKS = {
    "left": Look(_BLUE, contype=_LEFT, conaffinity=_RIGHT | _WORLD),
    "right": Look(_TEAL, contype=_RIGHT, conaffinity=_LEFT | _WORLD),
}


def substeps(rig: Rig) -> int:
    """Physics steps in one control period."""
    return math.ceil(1.0 / rig.rate_hz / TIMESTEP_S - 1e-9)


def build(rig: Rig) -> mujoco.MjModel:
    """The model of ``rig``. Raises BadInput when the rig has arms, joints, cameras or objects we cannot build."""
    check(rig)
    spec = mujoco.MjSpec()
    spec.modelname = f"il_robot_{rig.name}"
    spec.compiler.degree = False
    spec.option.timestep = 1.0 / rig.rate_hz / substeps(rig)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    _add_room(spec)
    for arm in rig.arms:
        position, yaw = BASES[arm.name]
        add_arm(spec, arm, position, yaw, _LOOKS[arm.name])
    _add_cube(spec)
    for camera in rig.cameras:
        _CAMERAS[camera.name](spec)
    _set_quality(spec, rig)
    return spec.compile()


def check(rig: Rig) -> None:
    """Raises BadInput, in one line, when ``rig`` is not a stationary ALOHA."""
    for arm in rig.arms:
        if arm.name not in BASES:
            raise BadInput(f"rig {rig.name}: the simulator has no arm {arm.name!r}; {nearest(arm.name, BASES)}")
        if arm.joint_names != JOINTS:
            wanted, found = ", ".join(JOINTS), ", ".join(arm.joint_names)
            raise BadInput(f"rig {rig.name}: arm {arm.name} has joints {found}; the simulator builds: {wanted}")
        gripper = arm.joints[-1]
        if gripper.lower < 0.0 or gripper.upper > 1.0:
            raise BadInput(f"rig {rig.name}: {arm.name} gripper [{gripper.lower}, {gripper.upper}] leaves [0, 1]")
    missing = sorted(BASES.keys() - {arm.name for arm in rig.arms})
    if missing:
        raise BadInput(f"rig {rig.name}: the simulator needs both arms; missing: {', '.join(missing)}")
    for name in rig.camera_names:
        if name not in _CAMERAS:
            raise BadInput(f"rig {rig.name}: the simulator has no camera {name!r}; {nearest(name, _CAMERAS)}")
    for name in rig.objects:
        if name != "cube":
            raise BadInput(f"rig {rig.name}: the simulator has no object {name!r}; {nearest(name, ['cube'])}")


def _add_room(spec: mujoco.MjSpec) -> None:
    """Table, aluminium frame, floor and walls; three lights that cast no shadow."""
    world = spec.worldbody
    half_x, half_y = TABLE_HALF_M
    box = mujoco.mjtGeom.mjGEOM_BOX
    table = world.add_geom(name="table", type=box, pos=(0, 0, -0.02), size=(half_x, half_y, 0.02), rgba=_TABLE)
    table.contype, table.conaffinity = _WORLD, _LEFT | _RIGHT | _WORLD
    table.friction = (1.0, 0.005, 0.0001)
    seen_only = [
        ((0, half_y + 0.01, -0.01), (half_x + 0.02, 0.01, 0.02), METAL),
        ((0, -half_y - 0.01, -0.01), (half_x + 0.02, 0.01, 0.02), METAL),
        ((half_x + 0.01, 0, -0.01), (0.01, half_y, 0.02), METAL),
        ((-half_x - 0.01, 0, -0.01), (0.01, half_y, 0.02), METAL),
        # A strip of tape across the middle tells left from right.
        ((0, 0, 0.0), (0.004, half_y, 0.0006), DARK),
        ((0, 1.2, 1.2), (2.0, 0.01, 2.1), _WALL),
        ((0, -1.8, 1.2), (2.0, 0.01, 2.1), _WALL),
        ((2.0, -0.3, 1.2), (0.01, 1.5, 2.1), _SIDE),
        ((-2.0, -0.3, 1.2), (0.01, 1.5, 2.1), _SIDE),
        ((0, -0.3, -0.77), (2.0, 1.5, 0.02), _FLOOR),
    ]
    for position, size, rgba in seen_only:
        world.add_geom(type=box, pos=position, size=size, rgba=rgba, contype=0, conaffinity=0)
    for x, y, brightness in ((-0.7, -0.6, 0.38), (0.7, -0.6, 0.32), (0.0, 0.5, 0.22)):
        world.add_light(
            pos=(x, y, 1.6),
            dir=(-x, -y, -1.6),
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            castshadow=False,
            ambient=(0.13, 0.13, 0.13),
            diffuse=(brightness, brightness, brightness),
            specular=(0.05, 0.05, 0.05),
        )


def _add_cube(spec: mujoco.MjSpec) -> None:
    cube = spec.worldbody.add_body(name="cube", pos=(0.1, 0, CUBE_HALF_M))
    cube.add_freejoint(name="cube")
    size = (CUBE_HALF_M, CUBE_HALF_M, CUBE_HALF_M)
    geom = cube.add_geom(name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=size, rgba=_CUBE, mass=0.05)
    geom.contype, geom.conaffinity = _WORLD, _LEFT | _RIGHT | _WORLD
    geom.condim = 4
    geom.friction = (1.0, 0.005, 0.0001)
    geom.solref = (0.01, 1.0)


def _cam_high(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_camera(name="cam_high", pos=(0, -0.42, 1.0), xyaxes=(1, 0, 0, 0, 0.91, 0.41), fovy=46)


def _cam_low(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_camera(name="cam_low", pos=(0, -0.60, 0.16), xyaxes=(1, 0, 0, 0, 0.05, 1), fovy=66)


def _wrist_camera(arm: str) -> Callable[[mujoco.MjSpec], None]:
    """The camera on the bracket above the gripper: it looks along the fingers, 35 degrees down onto their tips."""
    tilt = math.radians(35)

    def add(spec: mujoco.MjSpec) -> None:
        spec.body(f"{arm}_wrist_rotate_link").add_camera(
            name=f"cam_{arm}_wrist",
            pos=(0.034, 0, 0.085),
            xyaxes=(0, -1, 0, math.sin(tilt), 0, math.cos(tilt)),
            fovy=62,
        )

    return add


_CAMERAS: dict[str, Callable[[mujoco.MjSpec], None]] = {
    "cam_high": _cam_high,
    "cam_low": _cam_low,
    "cam_left_wrist": _wrist_camera("left"),
    "cam_right_wrist": _wrist_camera("right"),
}


def _set_quality(spec: mujoco.MjSpec, rig: Rig) -> None:
    """Cheap to draw: no shadow map, no multisampling, coarse cylinders."""
    quality = spec.visual.quality
    quality.shadowsize = 0
    quality.offsamples = 0
    quality.numslices = 14
    quality.numstacks = 6
    quality.numquads = 1
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 10.0
    spec.stat.extent = 1.0
    spec.stat.center = (0, 0, 0.1)
    # A light that moves with the camera would make a picture depend on which camera was drawn before.
    spec.visual.headlight.active = 0
    for camera in rig.cameras:
        spec.visual.global_.offwidth = max(spec.visual.global_.offwidth, camera.width)
        spec.visual.global_.offheight = max(spec.visual.global_.offheight, camera.height)
