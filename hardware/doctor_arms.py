"""The doctor's look at one arm: port, permission, adapter latency, baud, every servo."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hardware import control_table as table
from hardware.arm_setup import ServoReport, inspect
from hardware.bus import Bus
from hardware.errors import group_of
from hardware.findings import Row, Verdict
from hardware.wiring import Servo, Wiring
from il_robot.errors import Fault

HOT_CELSIUS = 60
OTHER_BAUD_S = 0.15
"""How long a servo is asked at each speed that it should not have."""
ADAPTERS = Path("/sys/bus/usb-serial/devices")
UDEV = "install the udev rules of hardware/README.md"


def check(arm: str, wiring: Wiring, reply_s: float) -> Iterator[Row]:
    """Rows for one arm; those that cannot be looked at because of an earlier fault are left out."""
    port = Path(wiring.arms[arm].port)
    if not port.exists():
        yield Row(arm, Verdict.FAULT, f"no {port}", f"plug its adapter in and switch it on; {UDEV}")
        return
    if not os.access(port, os.R_OK | os.W_OK):
        cure = f"add your user to group {group_of(port)} and log in again"
        yield Row(arm, Verdict.FAULT, f"{port}: no permission", cure)
        return
    yield from _latency(arm, port.resolve().name)
    try:
        bus = Bus(str(port), wiring.baud, reply_s)
    except Fault as fault:
        yield Row(arm, Verdict.FAULT, str(fault), "stop the program that has it open")
        return
    try:
        yield from _servos(arm, wiring, bus, reply_s)
    except Fault as fault:
        yield Row(arm, Verdict.FAULT, str(fault), "check the adapter's cable")
    finally:
        bus.close()


def _latency(arm: str, device: str) -> Iterator[Row]:
    timer = ADAPTERS / device / "latency_timer"
    if timer.exists() and (found := timer.read_text().strip()) != "1":
        yield Row(f"{arm} adapter", Verdict.WARNING, f"latency timer is {found} ms, should be 1", UDEV)


def _servos(arm: str, wiring: Wiring, bus: Bus, reply_s: float) -> Iterator[Row]:
    chain = wiring.chain(arm)
    answering = bus.answering([servo.id for servo in chain])
    if not answering:
        bus.close()
        yield _silent(arm, wiring, chain[0], reply_s)
        return
    reports = []
    for servo in chain:
        cure = "correct its cable, id or hardware.yaml"
        if servo.id not in answering:
            yield Row(f"{arm} {servo.joint}", Verdict.FAULT, f"servo {servo.id} does not answer", cure)
            continue
        try:
            reports.append(inspect(bus, servo))
        except Fault as fault:
            found = str(fault).removeprefix(f"bus {bus.port}: ")
            yield Row(f"{arm} {servo.joint}", Verdict.FAULT, found, cure)
    findings = [row for report in reports for row in _servo(arm, report)]
    yield from findings
    if len(reports) == len(chain) and not any(row.verdict for row in findings):
        volts = [report.volts for report in reports]
        pending = sum(len(report.different) for report in reports)
        written = f", {pending} registers to be set at start" if pending else ""
        yield Row(arm, Verdict.OK, f"{len(reports)} servos, {min(volts):.1f}..{max(volts):.1f} V{written}")


def _servo(arm: str, report: ServoReport) -> Iterator[Row]:
    what = f"{arm} {report.servo.joint} (servo {report.servo.id})"
    low, high = table.MODELS[report.servo.model].volts
    if report.error:
        yield Row(what, Verdict.WARNING, f"hardware error: {report.error.name}", "a start clears it; find out why")
    if not low <= report.volts <= high:
        found = f"supply {report.volts:.1f} V, needs {low:g}..{high:g} V"
        yield Row(what, Verdict.FAULT, found, "check the power supply")
    if report.celsius >= HOT_CELSIUS:
        yield Row(what, Verdict.WARNING, f"{report.celsius} degrees Celsius", "let it rest")
    if report.torque and report.eeprom:
        names = ", ".join(register.name for register in report.eeprom)
        found = f"{names} differ while it holds the arm"
        yield Row(what, Verdict.FAULT, found, "lay the arm down, switch it off and on")


def _silent(arm: str, wiring: Wiring, servo: Servo, reply_s: float) -> Row:
    """Nobody answers: perhaps at another speed."""
    for baud in table.BAUD_CODES:
        if baud == wiring.baud:
            continue
        bus = Bus(wiring.arms[arm].port, baud, reply_s, retries=0)
        try:
            if bus.answering([servo.id], OTHER_BAUD_S):
                found = f"servos answer at {baud} baud, not at {wiring.baud}"
                cure = (
                    f"write 'baud: {baud}' in hardware.yaml, or set their Baud_Rate to {table.BAUD_CODES[wiring.baud]}"
                )
                return Row(arm, Verdict.FAULT, found, cure)
        finally:
            bus.close()
    return Row(arm, Verdict.FAULT, "no servo answers", "is the arm's power on? check the first cable of the chain")
