"""A lab without devices: a rig folder whose ports lead to emulated servos, pedal and cameras, and an operator's hands.

Every driver is the real one. For trying the commands and the graph of a real rig, and for their tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from calibration.arm import ArmCalibration, RigCalibration, load_calibration, save_calibration
from calibration.joint import TICKS_PER_TURN
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from hardware.emulated_rig import EmulatedRig
from hardware.emulated_scene import LATE_FRAMES, SUFFIX, Scene, intrinsics
from hardware.servo import Servo
from hardware.wiring import Wiring, load_wiring
from il_robot.errors import BadInput
from il_robot.rig import Arm, Rig
from il_robot.types import Floats

WAVE = 0.25
"""How far the hands move the leaders [rad]."""
HANDS_HZ = 50.0
BUILT = "built.yaml"
"""Beside ``calibration.yaml``: how the emulated arms and cameras really are, what a calibration should find."""
SCENE = f"cameras{SUFFIX}"
ASKEW_TICKS = 4
LOCK = ".running"
NO_ROOM = "{}: exists and is not empty; a lab needs a folder of its own"
NO_LAB = "{0}: a rig, and no lab: its devices are real ones; il-robot emulate lab --rig {0}"


def write_lab(rig: str, folder: Path) -> Path:
    """Copies a rig into ``folder``, its ports under ``folder/devices``, its cameras emulated. Raises BadInput."""
    if _occupied(folder):
        raise BadInput(NO_ROOM.format(folder))
    described = load_rig(rig)
    load_wiring(described, rig)  # a rig that cannot be leaves no folder behind
    devices = folder.absolute() / "devices"
    devices.mkdir(parents=True)
    source = file_of_rig(rig, "hardware.yaml")
    for path in source.parent.glob("*.yaml"):
        if not {".unfinished", ".report"} & set(path.suffixes) and path.name != source.name:
            shutil.copy(path, folder)
    wiring = yaml.safe_load(source.read_text(encoding="utf-8"))
    for name, arm in wiring["arms"].items():
        arm["port"] = str(devices / name)
    for camera in wiring.get("cameras", {}):
        wiring["cameras"][camera] = {"device": str(devices / SCENE), "rate_hz": described.rate_hz}
    wiring["pedal"] = {"kind": "serial", "port": str(devices / "pedal")}
    save_calibration(folder / BUILT, as_built_askew(described, load_calibration(folder / "calibration.yaml")))
    # Last: a folder with this file is a lab, and none may have the ports of a real one.
    (folder / "hardware.yaml").write_text(yaml.safe_dump(wiring, sort_keys=False), encoding="utf-8")
    return devices


def as_built_askew(rig: Rig, nominal: RigCalibration) -> RigCalibration:
    """What calibrating the lab should find: every arm up to 2 degrees off, in every joint; the emulated cameras'."""

    def off(arm: ArmCalibration) -> ArmCalibration:
        joints = {
            name: replace(joint, zero_ticks=joint.zero_ticks + (7 * number % 11 - 5) * ASKEW_TICKS)
            for number, (name, joint) in enumerate(arm.joints.items())
        }
        grippers = {name: replace(g, open_ticks=g.open_ticks - ASKEW_TICKS) for name, g in arm.grippers.items()}
        return ArmCalibration(joints, grippers)

    return replace(
        nominal,
        arms={name: off(arm) for name, arm in nominal.arms.items()},
        cameras={camera.name: intrinsics(camera.width, camera.height) for camera in rig.cameras},
        latency_s={camera.name: round(LATE_FRAMES / rig.rate_hz, 4) for camera in rig.cameras},
    )


def _occupied(folder: Path) -> bool:
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is a file; a lab needs a folder of its own")
    return folder.exists() and any(path.name != LOCK for path in folder.iterdir())


@contextlib.contextmanager
def lab_in(folder: Path, rig: str | None) -> Iterator[None]:
    """As long as the ``with`` lasts, ``folder`` is a lab (of ``rig``; None: of the rig it has, else ALOHA) and this
    program's.

    Two would replace each other's devices, or write one folder together. The lock is the kernel's: it goes with the
    process, however that ends. Raises BadInput; what cannot become a lab is left as it is.
    """
    if (folder / "hardware.yaml").is_file():
        if not (folder / BUILT).is_file():
            raise BadInput(NO_LAB.format(folder))
        there = load_rig(str(folder)).name
        if rig is not None and load_rig(rig).name != there:
            raise BadInput(f"{folder}: is a lab of rig {there}; name another folder, or leave --rig out")
    else:
        if _occupied(folder) and not (folder / LOCK).exists():  # the lock is there before what another one writes
            raise BadInput(NO_ROOM.format(folder))
        rig = "aloha" if rig is None else rig
        load_wiring(load_rig(rig), rig)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}: no lab can be made there") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"{folder}: this lab runs already; end that one first, or name another folder") from None
        if not (folder / "hardware.yaml").is_file():  # else it is a lab from before, perhaps calibrated since
            write_lab(rig or "aloha", folder)
        yield
    finally:
        os.close(lock)


class Hands:
    """An operator at emulated leaders: squeezes grippers that come free, then moves the free arms to and fro. Arms that
    have not been stiff yet stay where they are: to be calibrated they must not move."""

    def __init__(self, rig: Rig, wiring: Wiring, built: RigCalibration, emulated: EmulatedRig) -> None:
        """``built``: where the arms' zeros really are."""
        self._rig, self._emulated = rig, emulated
        self._pairs = {name: pair for pair in rig.arms for name in (pair.follower, pair.leader)}
        self._scales = {name: built.arm(name).for_joints(pair.joint_names, name) for name, pair in self._pairs.items()}
        mains = {name: {s.joint: s for s in wiring.chain(name) if s.shadow_of is None} for name in self._pairs}
        self._servos = {name: [mains[name][joint] for joint in pair.joint_names] for name, pair in self._pairs.items()}
        self._felt: dict[str, dict[int, dict[str, int]]] = {}
        """By arm and servo: its registers when a hand was at it last."""
        self._free_since_s: dict[str, float] = {}
        self._seen_stiff: set[str] = set()
        self.aside = 0.0
        """How far from the wave the hands keep every joint [rad]."""

    def move(self, now_s: float) -> None:
        """What the hands do at this moment. Call it often."""
        for pair in self._rig.arms:
            if not self.reaches(pair.leader):
                continue
            torque = self.feel(pair.leader)
            gripper = self.is_gripper(pair.leader)
            if not torque.any():
                if pair.leader not in self._seen_stiff:
                    continue
                since_s = now_s - self._free_since_s.setdefault(pair.leader, now_s)
                self.place(pair.leader, self.pose(pair, since_s), only=~torque)
                continue
            self._free_since_s.pop(pair.leader, None)
            self._seen_stiff.add(pair.leader)
            if not torque[gripper].any():
                self.place(pair.leader, np.zeros(len(gripper), np.float32), only=gripper)

    def reaches(self, arm: str) -> bool:
        """Whether an arm is there: the process that emulates it may have been killed."""
        return self._emulated.buses[arm].lost is None

    def rest(self, arm: str) -> None:
        """Leaves an arm alone until it was stiff again."""
        self._free_since_s.pop(arm, None)
        self._seen_stiff.discard(arm)

    def pose(self, arm: Arm, since_s: float) -> Floats:
        """(J,) where the hands have a leader that they took ``since_s`` ago."""
        start = self._rig.start[self._rig.arm_slice(arm.name)]
        gripper = self.is_gripper(arm.leader)
        wave = WAVE * np.sin(0.8 * since_s)
        return np.asarray(np.where(gripper, 0.5 - 0.5 * np.cos(0.5 * since_s), start + wave + self.aside), np.float32)

    def run(self, keep_on: Callable[[], bool]) -> None:
        """Moves until ``keep_on`` says no."""
        while keep_on():
            with self._emulated.bearing_losses():
                self.move(time.monotonic())
            time.sleep(1 / HANDS_HZ)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Moves in a thread of its own, as long as the ``with`` lasts."""
        off = threading.Event()
        operator = threading.Thread(target=self.run, args=[lambda: not off.is_set()], name="hands")
        operator.start()
        try:
            yield
        finally:
            off.set()
            operator.join()

    def is_gripper(self, arm: str) -> NDArray[np.bool_]:
        """(J,)."""
        return self._scales[arm].is_gripper

    def feel(self, arm: str) -> NDArray[np.bool_]:
        """Takes an arm in the hand: (J,) which of its joints cannot be moved."""
        self._felt[arm] = self._emulated.buses[arm].do("state")
        return np.array([self._felt[arm][servo.id]["Torque_Enable"] for servo in self._servos[arm]], bool)

    def position(self, arm: str) -> Floats:
        """(J,) where an arm really was when it was felt or placed last."""
        felt = self._felt[arm]
        ticks = [_as_set_up(servo, felt[servo.id], felt[servo.id]["Present_Position"]) for servo in self._servos[arm]]
        return self._scales[arm].position(ticks)

    def place(self, arm: str, qpos: Floats, only: NDArray[np.bool_]) -> None:
        """Puts the joints that ``only`` names where ``qpos`` says, both (J,). The arm was felt before."""
        ticks = self._scales[arm].ticks(qpos.astype(np.float32))
        moved = {
            str(servo.id): _as_set_up(servo, self._felt[arm][servo.id], int(tick))
            for servo, tick, chosen in zip(self._servos[arm], ticks, only, strict=True)
            if chosen
        }
        self._felt[arm] = self._emulated.buses[arm].do("place", ticks=moved)


def _as_set_up(servo: Servo, state: Mapping[str, int], ticks: int) -> int:
    """The same place of the shaft for a servo that is set up, or back: a factory-fresh one may count the other way."""
    return ticks if (state["Drive_Mode"] ^ servo.drive_mode) & 1 == 0 else TICKS_PER_TURN - ticks


def open_lab(folder: Path) -> tuple[Rig, Wiring, RigCalibration, EmulatedRig]:
    """Starts the devices of a folder that :func:`write_lab` wrote. The caller closes them. Raises BadInput."""
    rig = load_rig(str(folder))
    wiring, calibration = load_wiring(rig, str(folder))
    Scene(folder / "devices" / SCENE, rig)
    return rig, wiring, calibration, EmulatedRig(wiring, folder.absolute() / "devices")
