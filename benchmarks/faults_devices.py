"""Faults as the drivers meet them: an arm's thread on an emulated bus, a serial pedal, behind pseudo-terminals."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from fault_times import Times, wait_until

from calibration.rig_file import load_rig
from hardware.arm_loop import ArmLoop
from hardware.camera import Captured, ThreadedCamera
from hardware.control_table import HardwareError
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_pedal import EmulatedPedal
from hardware.emulated_rig import EmulatedRig
from hardware.leader import IGNORED, Leader
from hardware.pattern_camera import PatternSource
from hardware.pedal import SerialPedal
from hardware.rig_arms import RigArms
from hardware.wiring import load_wiring
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault
from il_robot.rig import Camera as CameraSettings
from il_robot.types import Floats

TICK_S = 0.02
RATE_HZ = 50.0


class Driven:
    """One arm of an ALOHA, stiff, in its own thread at 50 Hz."""

    def __init__(self, folder: Path, stack: ExitStack, leads: bool) -> None:
        whole = load_rig("aloha")
        wiring, calibration = load_wiring(whole, "aloha")
        self.rig = replace(whole, arms=whole.arms[:1])
        pair = self.rig.arms[0]
        two = {arm: wiring.arms[arm] for arm in (pair.follower, pair.leader)}
        emulated = stack.enter_context(EmulatedRig(replace(wiring, arms=two), folder))
        self.arms = arms = stack.enter_context(RigArms(self.rig, emulated.wiring, calibration, reply_s=0.01))
        arms.set_up()
        name = pair.leader if leads else pair.follower
        self.bus: EmulatedBus = emulated.buses[name]
        arm = arms.arms[name]
        self.leader = Leader(arm, self.rig.velocity[:7] * np.float32(TICK_S)) if leads else None
        arm.torque_on()
        self.at: Floats = arm.here()
        self.loop = ArmLoop(self.leader or arm, RATE_HZ, SystemClock(), name)
        self.loop.start()
        stack.callback(self.loop.stop)
        self.loop.wait_newer(0, timeout_s=5)

    def lost(self) -> bool:
        """Whether whoever reads it is told that it is lost, or that something is wrong with it."""
        try:
            self.loop.latest()
        except Fault:
            return True
        return False


@contextmanager
def driven(leads: bool = False) -> Iterator[Driven]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Driven(Path(folder), stack, leads)


def after(fault: Callable[[], object], noticed: Callable[[], bool], what: str) -> float:
    began_s = time.time()
    fault()
    return wait_until(noticed, what) - began_s


def missing() -> float:
    """From the look at the servos before a session to the line that names the one that is not there."""
    with driven() as arm:
        arm.loop.stop()
        arm.bus.do("mute", ids=[7])
        began_s = time.time()
        try:
            arm.arms.set_up()
        except Fault as fault:
            if "servo 7 (wrist_angle) does not answer" in str(fault):
                return time.time() - began_s
        raise SystemExit("a missing servo was not named")


def mute() -> float:
    with driven() as arm:
        return after(lambda: arm.bus.do("mute", ids=[5]), arm.lost, "a mute servo is a fault")


def unplugged() -> float:
    with driven() as arm:
        return after(lambda: arm.bus.do("unplug"), arm.lost, "a pulled plug is a fault")


def plugged_in_again() -> float:
    with driven() as arm:
        arm.bus.do("unplug")
        wait_until(arm.lost, "a pulled plug is a fault")
        return after(lambda: arm.bus.do("plug"), lambda: arm.loop.health().recovered == 1, "it is taken up again")


def overloaded() -> float:
    with driven() as arm:
        overload = int(HardwareError.OVERLOAD)
        return after(lambda: arm.bus.do("fail", ids=[4], error=overload), arm.lost, "a servo in error is a fault")


def powerless() -> float:
    """From the moment at which it is commanded away from where it hangs limp."""
    with driven() as arm:
        arm.loop.command(arm.at)
        arm.bus.do("power_cycle", ids=[], turns=0)
        away = arm.at + np.array([0.5, 0, 0, 0, 0, 0, 0], np.float32)
        return after(lambda: arm.loop.command(away), arm.lost, "a limp arm is a fault")


def leader_lost_while_taken_up() -> float:
    with driven(leads=True) as arm:
        assert arm.leader is not None
        arm.leader.want(follows=False)
        wait_until(lambda: not any(s["Torque_Enable"] for s in arm.bus.do("state").values()), "it is free")
        arm.bus.do("delay", seconds=0.02)
        arm.leader.want(follows=True)
        wait_until(lambda: any(s["Torque_Enable"] for s in arm.bus.do("state").values()), "it is being taken up")
        return after(lambda: arm.bus.do("unplug"), arm.lost, "a leader lost while it is taken up is a fault")


def commanded_in_the_hands() -> float:
    with driven(leads=True) as arm:
        assert arm.leader is not None
        arm.leader.want(follows=False)
        wait_until(lambda: not any(s["Torque_Enable"] for s in arm.bus.do("state").values()), "it is free")
        began_s, sent = time.time(), 0
        while not arm.lost():
            sent += 1
            arm.loop.command(arm.at)
            time.sleep(TICK_S)
        assert sent > IGNORED
        return time.time() - began_s


def pedal_fault(fault: Callable[[EmulatedPedal], None]) -> float:
    """A serial pedal, polled as its process does."""
    with tempfile.TemporaryDirectory() as folder, EmulatedPedal(Path(folder) / "pedal") as emulated:
        pedal = SerialPedal(str(emulated.link))

        def lost() -> bool:
            try:
                pedal.events(0.01)
            except Fault:
                return True
            return False

        try:
            return after(lambda: fault(emulated), lost, "the pedal is lost")
        finally:
            pedal.close()


class PulledPattern(PatternSource):
    """A test pattern whose plug can be pulled, and which can send rubbish."""

    plugged, rubbish = True, False

    def open(self) -> None:
        if not self.plugged:
            raise Fault("no such device")

    def next(self) -> Captured | None:
        captured = super().next()
        self.open()
        return None if self.rubbish else captured


def camera_fault(name: str, value: bool, cure: bool = False) -> float:
    """From the fault to its notice; with ``cure``, from the plug being in again to the next frame."""
    source = PulledPattern(CameraSettings("cam_high", 320, 240), 30.0, SystemClock())
    camera = ThreadedCamera("cam_high", source)

    def lost() -> bool:
        try:
            camera.latest()
        except Fault:
            return True
        return False

    try:
        camera.wait_newer(5, timeout_s=5)
        took_s = after(lambda: setattr(source, name, value), lost, "the camera is lost")
        if not cure:
            return took_s
        return after(lambda: setattr(source, name, not value), lambda: not lost(), "the camera is back")
    finally:
        camera.close()


def measure(rounds: int) -> Iterator[Times]:
    """Every row that a driver alone answers for; where control holds, its 0.2 s since the last state come on top."""
    rows: tuple[tuple[str, str, float, Callable[[], float]], ...] = (
        ("a servo missing at the start", "a line that names it", 3.0, missing),
        ("a servo stops answering", "the arm counts as lost", 0.2, mute),
        ("servo adapter unplugged", "the arm counts as lost", TICK_S + 0.01, unplugged),
        ("servo adapter plugged in again", "taken up again", 0.6, plugged_in_again),
        ("servo hardware error", "a fault that names it", 2 * TICK_S, overloaded),
        ("power was cut for a moment, 0.5 rad from the goal", "a fault that names it", 0.5, powerless),
        ("leader's port lost while it is taken up", "a fault that says half stiff", 0.2, leader_lost_while_taken_up),
        ("commands go on coming to a leader in the hands", "a fault that says so", 0.7, commanded_in_the_hands),
        ("camera unplugged", "a fault that names it", 0.1, lambda: camera_fault("plugged", False)),
        ("camera plugged in again", "frames come again", 0.6, lambda: camera_fault("plugged", False, cure=True)),
        ("camera sends rubbish", "a fault that names it", 1.1, lambda: camera_fault("rubbish", True)),
        ("serial pedal unplugged", "the pedal counts as lost", 0.1, lambda: pedal_fault(EmulatedPedal.close)),
        ("serial pedal silent", "the pedal counts as lost", 1.1, lambda: pedal_fault(EmulatedPedal.mute)),
    )
    for fault, until, promised_s, once in rows:
        yield Times(fault, until, promised_s, tuple(once() for _ in range(rounds)))
