"""Which device is where: the ``hardware.yaml`` of a rig. Plain data and its checks; nothing here opens anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from calibration.arm import ArmScale, RigCalibration, load_calibration
from calibration.rig_folder import file_of_rig
from hardware import control_table as table
from hardware.camera_wiring import CameraWiring
from hardware.evdev_pedal import check_keys, check_meanings
from hardware.gravity import Weight
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Arm, Rig

MODES = {
    "position": table.Mode.POSITION,
    "extended_position": table.Mode.EXTENDED_POSITION,
    "current_based_position": table.Mode.CURRENT_BASED_POSITION,
}
LIMIT_SLACK_TICKS = 114
"""A measured zero is some degrees from the nominal one, which shifts the rig's limits against the servo's: they may lie
this far (10 deg) beyond what it reaches. Goals are clipped to that."""

VELOCITY_SLACK = 1.001
LARGEST_LATENCY_S = 1.0


@dataclass(frozen=True)
class Servo:
    """One servo and the register values it must have."""

    id: int
    joint: str
    model: str
    lower_ticks: int = 0
    upper_ticks: int = 4095
    drive_mode: int = 0
    """1: turns the other way."""
    shadow_of: int | None = None
    """The id of the servo that it helps on the same joint."""
    mode: Literal["position", "extended_position", "current_based_position"] = "position"
    velocity_limit: int = 131
    """[0.229 rpm]; 131 is pi rad/s."""
    current_limit: int | None = None
    """[the model's unit]; None leaves what the servo has."""
    goal_current: int | None = None
    """[the model's unit]; only in current-based position mode."""
    p_gain: int = 800
    i_gain: int = 0
    d_gain: int = 0

    def __post_init__(self) -> None:
        where = f"servo {self.id} ({self.joint})"
        if not 0 <= self.id <= 252:
            raise BadInput(f"{where}: id allowed: 0..252")
        if self.model not in table.MODELS:
            raise BadInput(f"{where}: no servo model {self.model!r}; {nearest(self.model, table.MODELS)}")
        model = table.MODELS[self.model]
        if MODES[self.mode] not in model.modes:
            raise BadInput(f"{where}: {self.model} has no mode {self.mode}: it cannot sense current")
        if (self.goal_current is not None) != (self.mode == "current_based_position"):
            raise BadInput(f"{where}: goal_current goes with mode current_based_position, and only with it")
        for name, current in (("current_limit", self.current_limit), ("goal_current", self.goal_current)):
            if current is not None and not 0 < current <= model.current_limit:
                raise BadInput(f"{where}: {name} {current}: {self.model} allows 1..{model.current_limit}")
        for name, value, low, high in (
            ("drive_mode", self.drive_mode, 0, 1),
            ("velocity_limit", self.velocity_limit, 1, table.LARGEST_VELOCITY_LIMIT),
            ("p_gain", self.p_gain, 1, table.LARGEST_GAIN),
            ("i_gain", self.i_gain, 0, table.LARGEST_GAIN),
            ("d_gain", self.d_gain, 0, table.LARGEST_GAIN),
        ):
            if not low <= value <= high:
                raise BadInput(f"{where}: {name} {value}; allowed: {low}..{high}")
        if not 0 <= self.lower_ticks < self.upper_ticks <= 4095:
            raise BadInput(f"{where}: limits {self.lower_ticks}..{self.upper_ticks} must rise within 0..4095")


@dataclass(frozen=True)
class ArmWiring:
    """One arm's port, servos and resting pose."""

    port: str
    chain: str
    """A key of ``chains``."""
    sleep: tuple[float, ...]
    """(J,) where it may lose its torque [rad], grippers [opening]."""

    def __post_init__(self) -> None:
        if not self.port:
            raise BadInput("an arm's port is empty; allowed: a path such as /dev/il_follower_left")


@dataclass(frozen=True)
class PedalWiring:
    """What the operator presses."""

    kind: Literal["serial", "evdev", "keyboard"]
    port: str = ""
    """Of a serial pedal; of evdev the stable path /dev/input/by-id/..."""
    keys: dict[str, int] = field(default_factory=dict)
    """Of evdev: what the foot switch sends -> button, as {KEY_A: 0}; names as in hardware/evdev_pedal.py."""

    def __post_init__(self) -> None:
        if (self.kind == "keyboard") != (not self.port):
            raise BadInput(f"pedal: kind {self.kind} {'has no' if self.port else 'needs a'} port")
        if self.kind == "evdev":
            check_keys(self.keys)
        elif self.keys:
            raise BadInput(f"pedal: keys go with kind evdev, not {self.kind}")


@dataclass(frozen=True)
class Wiring:
    """All devices of a rig."""

    chains: dict[str, tuple[Servo, ...]]
    arms: dict[str, ArmWiring]
    pedal: PedalWiring
    cameras: dict[str, CameraWiring] = field(default_factory=dict)
    baud: int = 1_000_000
    gravity: dict[str, Weight] = field(default_factory=dict)
    """By chain: what such an arm weighs; a leader whose weight is ``carried`` carries it while it is in the hands."""

    def __post_init__(self) -> None:
        if self.baud not in table.BAUD_CODES:
            raise BadInput(f"baud {self.baud}; allowed: {', '.join(map(str, table.BAUD_CODES))}")
        ports = [(name, arm.port) for name, arm in self.arms.items()]
        devices = [(name, c.device) for name, c in self.cameras.items() if c.device.startswith("/dev/")]
        users: dict[str, str] = {}
        for name, path in ports + devices:
            if (other := users.setdefault(path, name)) != name:
                raise BadInput(f"{other} and {name} both have {path}: each needs a device of its own")

    def weight(self, arm: str) -> Weight | None:
        """What the arm called ``arm`` shall carry of itself; None: nothing."""
        weight = self.gravity.get(self.arms[arm].chain)
        return weight if weight is not None and weight.carried else None

    def chain(self, arm: str) -> tuple[Servo, ...]:
        """The servos of the arm called ``arm`` (``follower_left``). Raises BadInput."""
        if arm not in self.arms:
            raise BadInput(f"no arm {arm!r} in hardware.yaml; {nearest(arm, self.arms)}")
        key = self.arms[arm].chain
        if key not in self.chains:
            raise BadInput(f"arm {arm}: no chain {key!r} in hardware.yaml; {nearest(key, self.chains)}")
        return self.chains[key]


def load_wiring(rig: Rig, name: str) -> tuple[Wiring, RigCalibration]:
    """hardware.yaml and calibration.yaml of the rig called ``name``, checked against it. Raises BadInput."""
    wiring = strict_yaml.load(file_of_rig(name, "hardware.yaml"), Wiring)
    calibration = load_calibration(file_of_rig(name, "calibration.yaml"))
    check_wiring(rig, wiring, calibration)
    return wiring, calibration


def check_wiring(rig: Rig, wiring: Wiring, calibration: RigCalibration) -> None:
    """Whether rig, wiring and calibration speak of the same arms, joints, limits and cameras. Raises BadInput."""
    expected = [name for arm in rig.arms for name in (arm.follower, arm.leader)]
    for what, found in (("hardware.yaml", wiring.arms), ("calibration.yaml", calibration.arms)):
        if missing := [name for name in expected if name not in found]:
            raise BadInput(f"{what} of rig {rig.name} lacks arm {missing[0]!r}; {nearest(missing[0], found)}")
        if extra := [name for name in found if name not in expected]:
            raise BadInput(f"{what} has an arm {extra[0]!r} unknown to rig {rig.name}; {nearest(extra[0], expected)}")
    if unknown := [chain for chain in wiring.gravity if chain not in wiring.chains]:
        raise BadInput(f"gravity: no chain {unknown[0]!r}; {nearest(unknown[0], wiring.chains)}")
    for arm in rig.arms:
        for name in (arm.follower, arm.leader):
            _check_chain(name, arm, wiring)
        check_limits(arm, wiring, calibration)
    if set(wiring.cameras) != set(rig.camera_names):
        odd = sorted(set(wiring.cameras) ^ set(rig.camera_names))
        raise BadInput(f"rig.yaml and hardware.yaml of {rig.name} disagree on cameras: {', '.join(odd)}")
    if wiring.pedal.kind == "evdev":
        check_meanings(wiring.pedal.keys, rig.pedal)
    for camera in calibration.cameras:
        if camera not in rig.camera_names:
            raise BadInput(f"calibration.yaml: intrinsics of {camera!r}; {nearest(camera, rig.camera_names)}")
    for camera, late_s in calibration.latency_s.items():
        if camera not in rig.camera_names:
            raise BadInput(f"calibration.yaml: latency_s of {camera!r}; {nearest(camera, rig.camera_names)}")
        if not abs(late_s) <= LARGEST_LATENCY_S:
            raise BadInput(f"calibration.yaml: latency_s of {camera}: {late_s}; allowed: up to {LARGEST_LATENCY_S} s")


def _check_chain(name: str, arm: Arm, wiring: Wiring) -> None:
    chain = wiring.chain(name)
    ids = [servo.id for servo in chain]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise BadInput(f"arm {name}: two servos with id {twice[0]}")
    mains = {servo.id: servo for servo in chain if servo.shadow_of is None}
    joints = [servo.joint for servo in mains.values()]
    if sorted(joints) != sorted(arm.joint_names):
        odd = sorted(set(joints) ^ set(arm.joint_names)) or [j for j in joints if joints.count(j) > 1]
        raise BadInput(f"arm {name}: servos and rig.yaml disagree on joints: {', '.join(odd)}")
    for servo in chain:
        if servo.shadow_of is not None and (
            servo.shadow_of not in mains or mains[servo.shadow_of].joint != servo.joint
        ):
            raise BadInput(f"arm {name}: servo {servo.id} shadows {servo.shadow_of}, no main servo of {servo.joint}")
    weight = wiring.gravity.get(wiring.arms[name].chain)
    for link in weight.links if weight else ():
        if link.joint not in arm.joint_names:
            chain_name = wiring.arms[name].chain
            raise BadInput(f"gravity of {chain_name}: joint {link.joint!r}; {nearest(link.joint, arm.joint_names)}")
    sleep = wiring.arms[name].sleep
    if len(sleep) != len(arm.joints):
        raise BadInput(f"arm {name}: sleep has {len(sleep)} values, the arm {len(arm.joints)} joints")
    for joint, position in zip(arm.joints, sleep, strict=True):
        if not joint.lower <= position <= joint.upper:
            limits = f"{joint.lower:g} to {joint.upper:g}, its limits in rig.yaml"
            raise BadInput(f"arm {name}: sleep has {joint.name} at {position:g}; allowed: {limits}")


def check_limits(arm: Arm, wiring: Wiring, calibration: RigCalibration) -> None:
    """What rig.yaml lets through, the follower's servos must be able to reach. Raises BadInput."""
    scale = calibration.arm(arm.follower).for_joints(arm.joint_names, arm.follower)
    calibration.arm(arm.leader).for_joints(arm.joint_names, arm.leader)
    servos = {servo.joint: servo for servo in wiring.chain(arm.follower) if servo.shadow_of is None}
    lower = scale.ticks(np.array([joint.lower for joint in arm.joints], np.float32))
    upper = scale.ticks(np.array([joint.upper for joint in arm.joints], np.float32))
    for at, (joint, a, b) in enumerate(zip(arm.joints, lower, upper, strict=True)):
        servo, low, high = servos[joint.name], min(a, b), max(a, b)
        if low < servo.lower_ticks - LIMIT_SLACK_TICKS or high > servo.upper_ticks + LIMIT_SLACK_TICKS:
            raise BadInput(
                f"arm {arm.follower}: joint {joint.name}: limits of rig.yaml are ticks {low}..{high}, "
                f"its servo {servo.id} reaches {servo.lower_ticks}..{servo.upper_ticks}, {_reach(scale, at, servo)}"
            )
        # What a servo cannot do, the gate must not promise: it would let goals run ahead of the arm.
        fastest = servo.velocity_limit * table.RAD_S_PER_VELOCITY_UNIT * VELOCITY_SLACK
        if joint.name in calibration.arm(arm.follower).joints and joint.velocity > fastest:
            raise BadInput(
                f"arm {arm.follower}: joint {joint.name}: velocity {joint.velocity:g} of rig.yaml; "
                f"its servo {servo.id} goes {fastest:.2f} rad/s at most (velocity_limit {servo.velocity_limit})"
            )


def _reach(scale: ArmScale, at: int, servo: Servo) -> str:
    """What the servo of the joint at this place reaches, as rig.yaml would say it."""
    ends = sorted((ticks - scale.zero[at]) * scale.scale[at] for ticks in (servo.lower_ticks, servo.upper_ticks))
    return f"{ends[0]:.2f} to {ends[1]:.2f} there"
