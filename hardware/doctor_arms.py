"""The doctor's look at one arm: port, permission, adapter latency, baud, every servo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hardware import control_table as table
from hardware.arm_setup import VOLT_SLACK, ServoReport, inspect
from hardware.bus import Bus
from hardware.control_table import HardwareError
from hardware.doctor_access import RULES, busy, closed, held_by_somebody, missing
from hardware.findings import Row, Site, Verdict
from hardware.servo import Servo
from il_robot.errors import Fault

HOT_CELSIUS = 60
OTHER_BAUD_S = 0.15
"""How long a servo is asked at each speed that it should not have."""
OTHER_IDS = range(1, 21)
"""Where a servo is looked for that has another id than it should: fresh from the factory it has 1."""
ADAPTERS = Path("/sys/bus/usb-serial/devices")
BY_ID = Path("/dev/serial/by-id")
ERROR_CURES = {
    HardwareError.INPUT_VOLTAGE: "its supply was too low or too high: check power supply and plugs",
    HardwareError.OVERHEATING: "let it cool down for some minutes, then switch the arm off and on",
    HardwareError.MOTOR_ENCODER: "its encoder or motor is broken: exchange the servo",
    HardwareError.ELECTRICAL_SHOCK: "its electronics got a shock: look for a damaged cable; else exchange the servo",
    HardwareError.OVERLOAD: "it pushed against something for too long: free the joint",
}


def check(arm: str, site: Site, reply_s: float) -> Iterator[Row]:
    """Rows for one arm; those that cannot be looked at because of an earlier fault are left out."""
    port = Path(site.wiring.arms[arm].port)
    if not port.exists():
        yield missing(arm, port, site.line("arms", arm, "port"), [*BY_ID.glob("*")])
        return
    if row := closed(arm, port) or busy(arm, port):
        yield row
        return
    yield from _latency(arm, port.resolve().name)
    try:
        bus = Bus(str(port), site.wiring.baud, reply_s)
    except Fault as fault:
        if "another program" in str(fault):
            yield held_by_somebody(arm, port, str(fault))
        else:
            cure = f"write the path of its adapter at {site.line('arms', arm, 'port')}"
            yield Row(arm, Verdict.FAULT, str(fault), cure)
        return
    try:
        yield from _servos(arm, site, bus, reply_s)
    except Fault as fault:
        yield Row(arm, Verdict.FAULT, str(fault), "its adapter was lost meanwhile: exchange the USB cable or the port")
    finally:
        bus.close()


def _latency(arm: str, device: str) -> Iterator[Row]:
    timer = ADAPTERS / device / "latency_timer"
    if timer.exists() and (found := timer.read_text().strip()) != "1":
        cure = f"install {RULES}, which sets it whenever an adapter is plugged in; until then:"
        command = f"echo 1 | sudo tee {timer}"
        yield Row(f"{arm} adapter", Verdict.WARNING, f"latency timer is {found} ms, should be 1", cure, command)


def _servos(arm: str, site: Site, bus: Bus, reply_s: float) -> Iterator[Row]:
    chain = site.wiring.chain(arm)
    answering = bus.answering([servo.id for servo in chain])
    if not answering:
        bus.close()
        yield _silent(arm, site, chain[0], reply_s)
        return
    silent = [servo for servo in chain if servo.id not in answering]
    others = bus.answering([i for i in OTHER_IDS if i not in {s.id for s in chain}], 0) if silent else {}
    findings, reports = [_absent(arm, site, servo, sorted(others)) for servo in silent], []
    for servo in chain:
        if servo.id not in answering:
            continue
        if answering[servo.id] != table.MODELS[servo.model].number:
            findings.append(_other_model(arm, site, servo, answering[servo.id]))
            continue
        try:
            reports.append(inspect(bus, servo))
            findings += _servo(arm, site, reports[-1])
        except Fault as fault:
            cure = (
                "take all servos with this id but one off the chain, and give each an id of its own (Dynamixel Wizard)"
            )
            cure = cure if "two servos" in str(fault) else "reseat its cable and that of the servo before it"
            findings.append(Row(_called(arm, servo), Verdict.FAULT, str(fault).removeprefix(f"bus {bus.port}: "), cure))
    yield from findings
    if not findings:
        volts = [report.volts for report in reports]
        pending = sum(len(report.different) for report in reports)
        written = f", {pending} registers to be set at start" if pending else ""
        yield Row(arm, Verdict.OK, f"{len(reports)} servos, {min(volts):.1f}..{max(volts):.1f} V{written}")


def _called(arm: str, servo: Servo) -> str:
    return f"{arm} {servo.joint} (servo {servo.id})"


def _absent(arm: str, site: Site, servo: Servo, others: list[int]) -> Row:
    cure = "reseat its cable, and that of the servo before it"
    if others:
        listed = ", ".join(map(str, others))
        cure = (
            f"id {listed} answers, which is nobody's: give that servo id {servo.id} (Dynamixel Wizard), "
            f"or correct {site.servo_line(arm, servo.id, 'id')}"
        )
    return Row(_called(arm, servo), Verdict.FAULT, "does not answer, while others of its chain do", cure)


def _other_model(arm: str, site: Site, servo: Servo, number: int) -> Row:
    name = next((model.name for model in table.MODELS.values() if model.number == number), None)
    found = f"is a {name or f'model with number {number}'}, hardware.yaml says {servo.model}"
    write = f"write 'model: {name}'" if name else "describe it in hardware/control_table.py and name it"
    cure = f"put a {servo.model} there, or {write} at {site.servo_line(arm, servo.id, 'model')}"
    return Row(_called(arm, servo), Verdict.FAULT, found, cure)


def _servo(arm: str, site: Site, report: ServoReport) -> Iterator[Row]:
    servo, what = report.servo, _called(arm, report.servo)
    low, high = table.MODELS[servo.model].volts
    if report.error:
        cure = "; ".join(text for error, text in ERROR_CURES.items() if error in report.error)
        found = f"hardware error: {report.error.name}"
        if report.torque:  # other servos of the arm hold it
            yield Row(
                what, Verdict.FAULT, f"{found}, while it holds the arm", f"{cure}; lay the arm down, {OFF_AND_ON}"
            )
        else:
            yield Row(what, Verdict.WARNING, found, f"{cure}; the next start restarts the servo")
    if not low <= report.volts <= high:
        near = low - VOLT_SLACK <= report.volts <= high + VOLT_SLACK
        found = f"supply {report.volts:.1f} V, a {servo.model} needs {low:g}..{high:g} V"
        cure = "check that the supply is the one for these servos, its plugs, and the cables of the chain"
        yield Row(what, Verdict.WARNING if near else Verdict.FAULT, found, cure)
    if report.celsius >= HOT_CELSIUS:
        cure = "let it cool down: lay the arm down and switch it off for some minutes"
        yield Row(what, Verdict.WARNING, f"{report.celsius} degrees Celsius, {HOT_CELSIUS} is hot", cure)
    if report.too_weak:
        cure = f"give it a current_limit, or a lower goal_current, at {site.servo_line(arm, servo.id, 'goal_current')}"
        yield Row(what, Verdict.FAULT, report.too_weak, cure)
    if report.torque and report.eeprom:
        names = ", ".join(register.name for register in report.eeprom)
        found = f"{names} not as {site.servo_line(arm, servo.id, 'id')} has it, while it holds the arm"
        yield Row(what, Verdict.FAULT, found, f"lay the arm down, {OFF_AND_ON}; the next start writes them")


OFF_AND_ON = "switch it off and on"


def _silent(arm: str, site: Site, servo: Servo, reply_s: float) -> Row:
    """Nobody answers: perhaps at another speed."""
    asked = site.wiring.baud
    for baud in table.BAUD_CODES:
        if baud == asked:
            continue
        bus = Bus(site.wiring.arms[arm].port, baud, reply_s, retries=0)
        try:
            if bus.answering([servo.id], OTHER_BAUD_S):
                cure = (
                    f"write 'baud: {baud}' at {site.line('baud')}, or set their Baud_Rate to {table.BAUD_CODES[asked]}"
                )
                return Row(arm, Verdict.FAULT, f"servos answer at {baud} baud, not at {asked}", cure)
        finally:
            bus.close()
    cure = (
        f"switch the arm's power on; check the cable from adapter to first servo, "
        f"and that {site.line('arms', arm, 'port')} names this arm's adapter"
    )
    return Row(arm, Verdict.FAULT, "no servo answers, at no speed", cure)
