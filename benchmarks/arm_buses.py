"""Four emulated arms at 50 Hz (or another rate): cycle time, lateness, losses, and the driver's share of a core.

    python benchmarks/arm_buses.py [--rate 50] [--seconds 20]

Each arm has nine servos (XM430/XM540), its bus a process of its own that keeps the time of a 1 Mbaud wire.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from calibration.rig_file import load_rig
from hardware.arm import ArmState
from hardware.arm_loop import ArmLoop
from hardware.dynamixel_arm import DynamixelArm
from hardware.emulated_rig import EmulatedRig
from hardware.rig_arms import RigArms
from hardware.wiring import load_wiring
from il_robot.control.rate import SWITCH_S, SystemClock
from il_robot.rig import Rig
from il_robot.types import Floats


class Timed:
    """An arm whose exchanges are timed: reading and writing are one cycle, waiting for a command between is not."""

    def __init__(self, arm: DynamixelArm) -> None:
        self._arm = arm
        self.cycle_ms: list[float] = []
        self._reading_ms = 0.0

    def read(self) -> ArmState | None:
        began_s = time.perf_counter()
        state = self._arm.read()
        self._reading_ms = (time.perf_counter() - began_s) * 1e3
        return state

    def command(self, qpos: Floats) -> None:
        began_s = time.perf_counter()
        self._arm.command(qpos)
        self.cycle_ms.append(self._reading_ms + (time.perf_counter() - began_s) * 1e3)

    def complaint(self) -> str | None:
        return self._arm.complaint()

    def recover(self) -> None:
        self._arm.recover()


def cpu_s_of(pid: int) -> float:
    """Processor time that another process has used so far [s]."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def commands(rig: Rig, rate_hz: float, seconds: float) -> list[dict[str, Floats]]:
    """What each arm is told, period after period: made beforehand, for making it is not the driver's work."""
    beats = []
    for beat in range(round(seconds * rate_hz)):
        goal = rig.start + np.float32(0.2 * np.sin(2 * beat / rate_hz))
        beats.append({name: goal[rig.arm_slice(p.name)] for p in rig.arms for name in (p.follower, p.leader)})
    return beats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    sys.setswitchinterval(SWITCH_S)  # as the arms node does
    rig, clock = load_rig("aloha"), SystemClock()
    wiring, calibration = load_wiring(rig, "aloha")
    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatedRig(wiring, Path(folder)) as emulated,
        RigArms(rig, emulated.wiring, calibration) as arms,
    ):
        arms.set_up()
        for arm in arms.arms.values():
            arm.torque_on()
        timed = {name: Timed(arm) for name, arm in arms.arms.items()}
        loops = {n: ArmLoop(timed[n], options.rate, clock, n, lag_s=lag_s) for n, lag_s in arms.lags_s.items()}
        for loop in loops.values():
            loop.start()
        goals = commands(rig, options.rate, options.seconds)
        emulators = [bus.pid for bus in emulated.buses.values()]
        began_emulator_s = sum(map(cpu_s_of, emulators))
        began_cpu_s, began_s = time.process_time(), time.monotonic()
        for beat, goal in enumerate(goals, start=1):
            for name, qpos in goal.items():
                loops[name].command(qpos)
            time.sleep(max(0.0, began_s + beat / options.rate - time.monotonic()))
        passed_s = time.monotonic() - began_s
        cpu = (time.process_time() - began_cpu_s) / passed_s
        emulator_cpu = (sum(map(cpu_s_of, emulators)) - began_emulator_s) / passed_s
        for name, loop in loops.items():
            loop.stop()
            p50, p99 = np.percentile(timed[name].cycle_ms, [50, 99])
            late, health = loop.health().lateness, arms.arms[name].bus.health
            print(
                f"{name:15} cycle p50 {p50:5.2f} p99 {p99:5.2f} ms   late p99 {late.p99_ms:5.2f} ms"
                f"   missed {late.missed} reads {health.reads} retried {health.retried} lost {health.lost}"
            )
        print(
            f"driver: {cpu:.1%} of one core at {options.rate:g} Hz, four arms of nine servos"
            f" (their emulators: {emulator_cpu:.1%})"
        )


if __name__ == "__main__":
    main()
