"""Which device is where: the ``hardware.yaml`` of a rig. Plain data and its checks; nothing here opens anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from calibration.arm import ArmScale, RigCalibration, load_calibration
from calibration.joint import TICKS_PER_TURN
from calibration.rig_folder import file_of_rig, folder_of_rig
from hardware import control_table as table
from hardware.camera_wiring import CameraWiring
from hardware.evdev_pedal import check_keys, check_meanings
from hardware.gravity import Weight
from hardware.servo import Servo, check_shadows, named
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Arm, Rig
from il_robot.yaml_text import read_yaml

LIMIT_SLACK_TICKS = 114
"""A measured zero is some degrees from the nominal one, which shifts the rig's limits against the servo's: they may lie
this far (10 deg) beyond what it reaches. Goals are clipped to that."""

MIDDLE = TICKS_PER_TURN // 2
"""Where arms are built to have their zeros: limits that fit one there are spoilt by the zero that was measured."""
VELOCITY_SLACK = 1.001
LARGEST_LATENCY_S = 1.0


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
            raise BadInput(f"hardware.yaml: no arm {arm!r}; {nearest(arm, self.arms)}")
        key = self.arms[arm].chain
        if key not in self.chains:
            raise BadInput(f"hardware.yaml: arm {arm}: no chain {key!r}; {nearest(key, self.chains)}")
        return self.chains[key]


def load_wiring(rig: Rig, name: str) -> tuple[Wiring, RigCalibration]:
    """hardware.yaml and calibration.yaml of the rig called ``name``, checked against it. Raises BadInput."""
    file = file_of_rig(name, "hardware.yaml")
    wiring = strict_yaml.load(file, Wiring)
    calibration = load_calibration(file_of_rig(name, "calibration.yaml"))
    try:
        check_wiring(rig, wiring, calibration)
    except BadInput as error:
        raise BadInput(f"{folder_of_rig(name)}/{error}") from None
    for chain, servos in wiring.chains.items():
        check_shadows(servos, partial(_at_servo, file, chain))
    return wiring, calibration


def _at_servo(file: Path, chain: str, number: int, key: str) -> str:
    """Where a key of a chain's n-th servo stands: ``lab/hardware.yaml:12:5``."""
    return read_yaml(file).at(("chains", chain, number, key))


def check_wiring(rig: Rig, wiring: Wiring, calibration: RigCalibration) -> None:
    """Whether rig, wiring and calibration speak of the same arms, joints, limits and cameras. Raises BadInput, which
    begins with the file to correct."""
    arms = [name for arm in rig.arms for name in (arm.follower, arm.leader)]
    _same("hardware.yaml: arm", wiring.arms, arms)
    _same("hardware.yaml: camera", wiring.cameras, rig.camera_names)
    _same("calibration.yaml: arm", calibration.arms, arms)
    if unknown := [chain for chain in wiring.gravity if chain not in wiring.chains]:
        raise BadInput(f"hardware.yaml: gravity: no chain {unknown[0]!r}; {nearest(unknown[0], wiring.chains)}")
    for arm in rig.arms:
        for name in (arm.follower, arm.leader):
            _check_chain(name, arm, wiring)
        check_limits(arm, wiring, calibration)
    if wiring.pedal.kind == "evdev":
        check_meanings(wiring.pedal.keys, rig.pedal)
    for camera in (*calibration.cameras, *calibration.latency_s):
        if camera not in rig.camera_names:
            raise BadInput(f"calibration.yaml: no camera {camera!r} in rig.yaml; {nearest(camera, rig.camera_names)}")
    for camera, late_s in calibration.latency_s.items():
        if not abs(late_s) <= LARGEST_LATENCY_S:
            raise BadInput(f"calibration.yaml: latency_s of {camera}: {late_s}; allowed: up to {LARGEST_LATENCY_S} s")


def _same(what: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """Raises BadInput for a name that rig.yaml does not have, most likely misspelt, and for one that is missing."""
    names, wanted = list(found), list(expected)
    for name in names:
        if name not in wanted:
            missing = [one for one in wanted if one not in names]
            raise BadInput(f"{what} {name!r} is not in rig.yaml; {nearest(name, missing or wanted)}")
        if names.count(name) > 1:
            raise BadInput(f"{what} {name!r} stands twice; allowed: once")
    if missing := [one for one in wanted if one not in names]:
        raise BadInput(f"{what} {missing[0]!r} of rig.yaml is missing")


def _check_chain(name: str, arm: Arm, wiring: Wiring) -> None:
    chain = wiring.chain(name)
    where = f"hardware.yaml: arm {name} (chain {wiring.arms[name].chain})"
    ids = [servo.id for servo in chain]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise BadInput(f"{where}: two servos with id {twice[0]}")
    mains = {servo.id: servo for servo in chain if servo.shadow_of is None}
    _same(f"{where}: joint", [servo.joint for servo in mains.values()], arm.joint_names)
    if weight := wiring.gravity.get(wiring.arms[name].chain):
        _check_weight(f"{where}: gravity", weight, chain, arm)
    sleep = wiring.arms[name].sleep
    if len(sleep) != len(arm.joints):
        joints = ", ".join(arm.joint_names)
        raise BadInput(f"{where}: sleep has {len(sleep)} values; allowed: {len(arm.joints)}, one for each of {joints}")
    for joint, position in zip(arm.joints, sleep, strict=True):
        if not joint.lower <= position <= joint.upper:
            limits = f"{joint.lower:g} to {joint.upper:g}, its limits in rig.yaml"
            raise BadInput(f"{where}: sleep has {joint.name} at {position:g}; allowed: {limits}")


def _check_weight(where: str, weight: Weight, chain: Sequence[Servo], arm: Arm) -> None:
    for link in weight.links:
        if link.joint not in arm.joint_names:
            raise BadInput(f"{where}: no joint {link.joint!r}; {nearest(link.joint, arm.joint_names)}")
    for servo in chain:
        largest = servo.largest_current * (table.MODELS[servo.model].ampere_per_unit or 0.0)
        if servo.goal_current is not None and weight.limit_a > largest:  # it would refuse, and fall
            allowed = f"at most {largest:.2f} A, what the current_limit of {named([servo])} lets through"
            raise BadInput(f"{where}: limit_a {weight.limit_a:g}; allowed: {allowed}")


def check_limits(arm: Arm, wiring: Wiring, calibration: RigCalibration) -> None:
    """What rig.yaml lets through, the follower's servos must be able to reach. Raises BadInput."""
    scale = calibration.arm(arm.follower).for_joints(arm.joint_names, arm.follower)
    calibration.arm(arm.leader).for_joints(arm.joint_names, arm.leader)
    servos = {servo.joint: servo for servo in wiring.chain(arm.follower) if servo.shadow_of is None}
    lower = scale.ticks(np.array([joint.lower for joint in arm.joints], np.float32))
    upper = scale.ticks(np.array([joint.upper for joint in arm.joints], np.float32))
    for at, (joint, a, b) in enumerate(zip(arm.joints, lower, upper, strict=True)):
        servo, low, high = servos[joint.name], min(a, b), max(a, b)
        if not _reaches(servo, low, high):
            raise BadInput(_out_of_reach(arm, at, servo, scale, (low, high)))
        # What a servo cannot do, the gate must not promise: it would let goals run ahead of the arm.
        fastest = servo.velocity_limit * table.RAD_S_PER_VELOCITY_UNIT * VELOCITY_SLACK
        if joint.name in calibration.arm(arm.follower).joints and joint.velocity > fastest:
            raise BadInput(
                f"rig.yaml: arm {arm.name}: joint {joint.name}: velocity {joint.velocity:g}; allowed: {fastest:.2f} "
                f"rad/s, what servo {servo.id} of {arm.follower} reaches (velocity_limit {servo.velocity_limit})"
            )


def _reaches(servo: Servo, low: float, high: float) -> bool:
    return servo.lower_ticks - LIMIT_SLACK_TICKS <= low and high <= servo.upper_ticks + LIMIT_SLACK_TICKS


def _out_of_reach(arm: Arm, at: int, servo: Servo, scale: ArmScale, limits: tuple[int, int]) -> str:
    """What a joint's servo cannot reach, beginning with the file that is likelier to be wrong."""
    low, high = limits
    found, reach = f"ticks {low}..{high}", f"servo {servo.id} of {arm.follower} reaches"
    ticks = f"ticks {servo.lower_ticks}..{servo.upper_ticks}"
    calibrated = f"calibration.yaml: arm {arm.follower}: {{}} {servo.joint}"
    if scale.is_gripper[at]:
        return f"{calibrated.format('gripper')}: closed and open are {found}; allowed: {ticks}, what {reach}"
    if _reaches(servo, low - scale.zero[at] + MIDDLE, high - scale.zero[at] + MIDDLE):
        least = servo.lower_ticks - LIMIT_SLACK_TICKS - low + scale.zero[at]
        most = servo.upper_ticks + LIMIT_SLACK_TICKS - high + scale.zero[at]
        turned = f"zero_ticks {scale.zero[at]:.0f} brings its limits in rig.yaml to {found}"
        return f"{calibrated.format('joint')}: {turned}; allowed: {least:.0f} to {most:.0f}, as {reach} {ticks}"
    ends = sorted((end - scale.zero[at]) * scale.scale[at] for end in (servo.lower_ticks, servo.upper_ticks))
    allowed = f"{ends[0]:.2f} to {ends[1]:.2f} ({ticks}), what {reach}"
    return f"rig.yaml: arm {arm.name}: joint {servo.joint}: its limits are {found}; allowed: {allowed}"
