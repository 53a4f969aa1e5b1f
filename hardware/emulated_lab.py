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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import yaml

from calibration.arm import RigCalibration
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from hardware.emulated_rig import EmulatedRig
from hardware.rig_cameras import PATTERN
from hardware.wiring import Wiring, load_wiring
from il_robot.errors import BadInput
from il_robot.rig import Arm, Rig
from il_robot.types import Floats

WAVE = 0.25
"""How far the hands move the leaders [rad]."""
HANDS_HZ = 50.0
LOCK = ".running"
NO_ROOM = "{}: exists and is not empty; a lab needs a folder of its own"


def write_lab(rig: str, folder: Path) -> Path:
    """Copies a rig into ``folder``, its ports under ``folder/devices``, its cameras test patterns. Raises BadInput."""
    if _occupied(folder):
        raise BadInput(NO_ROOM.format(folder))
    described = load_rig(rig)
    load_wiring(described, rig)  # a rig that cannot be leaves no folder behind
    devices = folder.absolute() / "devices"
    devices.mkdir(parents=True)
    source = file_of_rig(rig, "hardware.yaml")
    for path in source.parent.glob("*.yaml"):
        if ".unfinished." not in path.name and path.name != source.name:
            shutil.copy(path, folder)
    wiring = yaml.safe_load(source.read_text(encoding="utf-8"))
    for name, arm in wiring["arms"].items():
        arm["port"] = str(devices / name)
    for camera in wiring.get("cameras", {}):
        wiring["cameras"][camera] = {"device": PATTERN, "rate_hz": described.rate_hz}
    wiring["pedal"] = {"kind": "serial", "port": str(devices / "pedal")}
    # Last: a folder with this file is a lab, and none may have the ports of a real one.
    (folder / "hardware.yaml").write_text(yaml.safe_dump(wiring, sort_keys=False), encoding="utf-8")
    return devices


def _occupied(folder: Path) -> bool:
    return folder.exists() and any(path.name != LOCK for path in folder.iterdir())


@contextlib.contextmanager
def lab_in(folder: Path, rig: str) -> Iterator[None]:
    """As long as the ``with`` lasts, ``folder`` is a lab (of ``rig``, where none is yet) and this program's.

    Two would replace each other's devices, or write one folder together. The lock is the kernel's: it goes with the
    process, however that ends. Raises BadInput; what cannot become a lab is left as it is.
    """
    if not (folder / "hardware.yaml").is_file():
        if _occupied(folder) and not (folder / LOCK).exists():  # the lock is there before what another one writes
            raise BadInput(NO_ROOM.format(folder))
        load_wiring(load_rig(rig), rig)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"{folder}: this lab runs already; end that one first, or name another folder") from None
        if not (folder / "hardware.yaml").is_file():  # else it is a lab from before, perhaps calibrated since
            write_lab(rig, folder)
        yield
    finally:
        os.close(lock)


class Hands:
    """An operator at emulated leaders: squeezes grippers that come free, then moves the free arms to and fro. Arms that
    have not been stiff yet stay where they are: to be calibrated they must not move."""

    def __init__(self, rig: Rig, wiring: Wiring, calibration: RigCalibration, emulated: EmulatedRig) -> None:
        self._rig, self._emulated = rig, emulated
        self._scales = {a.leader: calibration.arm(a.leader).for_joints(a.joint_names, a.leader) for a in rig.arms}
        self._ids = {a.leader: {s.joint: s.id for s in wiring.chain(a.leader) if s.shadow_of is None} for a in rig.arms}
        self._free_since_s: dict[str, float] = {}
        self._seen_stiff: set[str] = set()
        self.aside = 0.0
        """How far from the wave the hands keep every joint [rad]."""

    def move(self, now_s: float) -> None:
        """What the hands do at this moment. Call it often."""
        for arm in self._rig.arms:
            state = self._emulated.buses[arm.leader].do("state")
            torque = np.array([state[self._ids[arm.leader][joint]]["Torque_Enable"] for joint in arm.joint_names], bool)
            gripper = self._scales[arm.leader].is_gripper
            if not torque.any():
                if arm.leader not in self._seen_stiff:
                    continue
                since_s = now_s - self._free_since_s.setdefault(arm.leader, now_s)
                self._place(arm, self.pose(arm, since_s), only=~torque)
                continue
            self._free_since_s.pop(arm.leader, None)
            self._seen_stiff.add(arm.leader)
            if not torque[gripper].any():
                self._place(arm, np.zeros(len(gripper), np.float32), only=gripper)

    def pose(self, arm: Arm, since_s: float) -> Floats:
        """(J,) where the hands have a leader that they took ``since_s`` ago."""
        start = self._rig.start[self._rig.arm_slice(arm.name)]
        gripper = self._scales[arm.leader].is_gripper
        wave = WAVE * np.sin(0.8 * since_s)
        return np.asarray(np.where(gripper, 0.5 - 0.5 * np.cos(0.5 * since_s), start + wave + self.aside), np.float32)

    def run(self, keep_on: Callable[[], bool]) -> None:
        """Moves until ``keep_on`` says no."""
        while keep_on():
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

    def _place(self, arm: Arm, qpos: Floats, only: np.ndarray) -> None:
        ticks = self._scales[arm.leader].ticks(qpos.astype(np.float32))
        chosen = zip(arm.joint_names, ticks, only, strict=True)
        moved = {str(self._ids[arm.leader][joint]): int(tick) for joint, tick, take in chosen if take}
        self._emulated.buses[arm.leader].do("place", ticks=moved)


def open_lab(folder: Path) -> tuple[Rig, Wiring, RigCalibration, EmulatedRig]:
    """Starts the devices of a folder that :func:`write_lab` wrote. The caller closes them. Raises BadInput."""
    rig = load_rig(str(folder))
    wiring, calibration = load_wiring(rig, str(folder))
    return rig, wiring, calibration, EmulatedRig(wiring, folder.absolute() / "devices")
