"""Brings the servos of an arm into the state that hardware.yaml states, and proves it by reading back.

Nothing here moves an arm. All arms of a rig are inspected before the first register of any is written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hardware import control_table as table
from hardware.bus import Bus
from hardware.control_table import HardwareError, Register
from hardware.dynamixel_arm import DynamixelArm
from hardware.servo import MODES, Servo
from il_robot.errors import Fault

NO_SECONDARY = 255
VOLT_SLACK = 0.5
REBOOT_S = 3.0


@dataclass(frozen=True)
class ServoReport:
    """What one servo says about itself."""

    servo: Servo
    model: int
    firmware: int
    error: HardwareError
    torque: bool
    volts: float
    celsius: int
    different: tuple[tuple[Register, int, int], ...]
    """(register, found, wanted), in the order they must be written."""
    too_weak: str = ""
    """Why it will refuse the goal_current that it is to get; empty when it will not."""

    @property
    def eeprom(self) -> tuple[Register, ...]:
        """The different ones that wear out and need the torque off."""
        return tuple(register for register, _, _ in self.different if register.eeprom)


@dataclass(frozen=True)
class Change:
    """What was done to one servo; as text, one line."""

    arm: str
    servo: Servo
    what: str
    restart: bool = False
    """Else one register was written."""

    def __str__(self) -> str:
        return f"arm {self.arm}: servo {self.servo.id} ({self.servo.joint}) {self.what}"


def in_short(changes: Sequence[Change]) -> list[str]:
    """A line an arm: how many registers were written, and in which servos; a restart always has its own."""
    lines = [str(change) for change in changes if change.restart]
    written = [change for change in changes if not change.restart]
    for arm in dict.fromkeys(change.arm for change in written):
        of_arm = [change for change in written if change.arm == arm]
        servos = sorted({(change.servo.id, change.servo.joint) for change in of_arm})
        named = ", ".join(f"{number} {joint}" for number, joint in servos)
        lines.append(f"arm {arm}: {len(of_arm)} registers written (verbose:=true names them), in servos {named}")
    return lines


def wanted(servo: Servo) -> dict[Register, int]:
    """Every register the servo must have, in the order to write them: a new mode resets the gains after it."""
    values = {
        table.RETURN_DELAY_TIME: 0,
        table.DRIVE_MODE: servo.drive_mode,
        table.OPERATING_MODE: int(MODES[servo.mode]),
        table.SECONDARY_ID: NO_SECONDARY if servo.shadow_of is None else servo.shadow_of,
        table.HOMING_OFFSET: 0,
        table.VELOCITY_LIMIT: servo.velocity_limit,
        table.MAX_POSITION_LIMIT: servo.upper_ticks,
        table.MIN_POSITION_LIMIT: servo.lower_ticks,
    }
    if servo.current_limit is not None:
        values[table.CURRENT_LIMIT] = servo.current_limit
    values |= {
        table.POSITION_P_GAIN: servo.p_gain,
        table.POSITION_I_GAIN: servo.i_gain,
        table.POSITION_D_GAIN: servo.d_gain,
        table.PROFILE_ACCELERATION: 0,
        table.PROFILE_VELOCITY: 0,
    }
    if servo.goal_current is not None:
        values[table.GOAL_CURRENT] = servo.goal_current
    return values


def inspect(bus: Bus, servo: Servo) -> ServoReport:
    """Reads one servo; writes nothing. Raises Fault when it does not answer or is another model."""
    number = bus.ping(servo.id)
    if number is None:
        raise Fault(
            f"bus {bus.port}: servo {servo.id} ({servo.joint}) does not answer; check power, cable, id and baud"
        )
    model = table.MODELS[servo.model]
    if number != model.number:
        found = next((m.name for m in table.MODELS.values() if m.number == number), f"model number {number}")
        raise Fault(f"bus {bus.port}: servo {servo.id} ({servo.joint}) is a {found}, hardware.yaml says {servo.model}")
    values = [(register, bus.read(servo.id, register), value) for register, value in wanted(servo).items()]
    return ServoReport(
        servo=servo,
        model=number,
        firmware=bus.read(servo.id, table.FIRMWARE_VERSION),
        error=HardwareError(bus.read(servo.id, table.HARDWARE_ERROR_STATUS)),
        torque=bool(bus.read(servo.id, table.TORQUE_ENABLE)),
        volts=bus.read(servo.id, table.PRESENT_INPUT_VOLTAGE) * table.VOLT_PER_UNIT,
        celsius=bus.read(servo.id, table.PRESENT_TEMPERATURE),
        different=tuple(entry for entry in values if entry[1] != entry[2]),
        too_weak=_too_weak(bus, servo),
    )


def _too_weak(bus: Bus, servo: Servo) -> str:
    if servo.goal_current is None or servo.current_limit is not None:  # else it is checked in the file
        return ""
    found = bus.read(servo.id, table.CURRENT_LIMIT)
    return (
        f"its Current_Limit is {found}, below its goal_current {servo.goal_current}"
        if found < servo.goal_current
        else ""
    )


def inspect_arm(arm: DynamixelArm) -> list[ServoReport]:
    """Every servo of an arm. Raises Fault for what a start cannot cure, in one line."""
    reports = [inspect(arm.bus, servo) for servo in arm.servos]
    for report in reports:
        where = f"arm {arm.name}: servo {report.servo.id} ({report.servo.joint})"
        low, high = table.MODELS[report.servo.model].volts
        if not low - VOLT_SLACK <= report.volts <= high + VOLT_SLACK:
            raise Fault(f"{where}: supply is {report.volts:.1f} V; a {report.servo.model} needs {low:g}..{high:g} V")
        if report.too_weak:
            raise Fault(
                f"{where}: {report.too_weak}; give it a current_limit in hardware.yaml, or a lower goal_current"
            )
        if report.torque and (report.eeprom or report.error):
            what = report.error.name if report.error else ", ".join(register.name for register in report.eeprom)
            raise Fault(
                f"{where}: {what} needs its torque off, but it holds the arm; lay the arm down and switch it off and on"
            )
    return reports


def set_up_arm(arm: DynamixelArm, reports: list[ServoReport]) -> list[Change]:
    """Clears errors and writes what differs; what was done. Raises Fault when a read-back disagrees."""
    done = []
    # Shadows last: through Secondary_ID they also obey what is written to their main servo.
    for report in sorted(reports, key=lambda report: report.servo.shadow_of is not None):
        if report.error:
            _restart(arm, report.servo)
            done.append(Change(arm.name, report.servo, "restarted after an error", restart=True))
        done += _write_differences(arm, report.servo)
    for report in inspect_arm(arm):
        if report.different:
            register, found, value = report.different[0]
            raise Fault(f"arm {arm.name}: servo {report.servo.id}: {register.name} reads {found} after writing {value}")
    return done


def _write_differences(arm: DynamixelArm, servo: Servo) -> list[Change]:
    done = []
    for register, value in wanted(servo).items():
        # Read just before, not from the report: a mode or a main servo written meanwhile may have changed it.
        if (found := arm.bus.read(servo.id, register)) != value:
            if register is table.GOAL_CURRENT:
                # A leader that carried its weight when its driver died would jump with more current.
                here = arm.bus.read(servo.id, table.PRESENT_POSITION)
                arm.bus.write(servo.id, table.GOAL_POSITION, here)
            arm.bus.write(servo.id, register, value)
            done.append(Change(arm.name, servo, f"{register.name} {found} -> {value}"))
    return done


def _restart(arm: DynamixelArm, servo: Servo) -> None:
    """Reboots a servo and waits until it is back (about a second on a real one)."""
    arm.bus.reboot(servo.id)
    deadline_s = time.monotonic() + REBOOT_S
    while arm.bus.ping(servo.id) is None:
        if time.monotonic() > deadline_s:
            raise Fault(f"arm {arm.name}: servo {servo.id} ({servo.joint}) did not come back from its reboot")
    if error := HardwareError(arm.bus.read(servo.id, table.HARDWARE_ERROR_STATUS)):
        raise Fault(f"arm {arm.name}: servo {servo.id} ({servo.joint}): {error.name} stays after a reboot")
