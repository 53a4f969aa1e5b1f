"""Addresses and units of the Dynamixel X servos on Protocol 2.0.

Checked against the model files XL330-M077, XL330-M288, XL430-W250 and XM430-W350 of ROBOTIS'
``dynamixel_hardware_interface`` and the e-Manual's tables of XM430-W350 (units, limits, factory values, stall torque);
XM540-W270 shares them. Values below address 64 are EEPROM: they
survive power-off, wear out, and can only be written while Torque_Enable is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from il_robot.errors import BadInput

RAD_S_PER_VELOCITY_UNIT = 0.229 * 2 * math.pi / 60
VOLT_PER_UNIT = 0.1
LOAD_PER_UNIT = 0.001
"""Present_Load: share of the largest torque."""
RAM_BEGIN = 64
LARGEST_VELOCITY_LIMIT = 1023
"""Of Velocity_Limit, in its unit."""
LARGEST_GAIN = 16_383
"""Of Position_P_Gain, Position_I_Gain and Position_D_Gain."""
BAUD_CODES = {9_600: 0, 57_600: 1, 115_200: 2, 1_000_000: 3, 2_000_000: 4, 3_000_000: 5, 4_000_000: 6}


@dataclass(frozen=True)
class Register:
    """One entry of the control table."""

    name: str
    address: int
    size: int
    signed: bool = False
    read_only: bool = False

    @property
    def eeprom(self) -> bool:
        return self.address < RAM_BEGIN


MODEL_NUMBER = Register("Model_Number", 0, 2, read_only=True)
FIRMWARE_VERSION = Register("Firmware_Version", 6, 1, read_only=True)
ID = Register("ID", 7, 1)
BAUD_RATE = Register("Baud_Rate", 8, 1)
RETURN_DELAY_TIME = Register("Return_Delay_Time", 9, 1)
DRIVE_MODE = Register("Drive_Mode", 10, 1)
OPERATING_MODE = Register("Operating_Mode", 11, 1)
SECONDARY_ID = Register("Secondary_ID", 12, 1)
HOMING_OFFSET = Register("Homing_Offset", 20, 4, signed=True)
TEMPERATURE_LIMIT = Register("Temperature_Limit", 31, 1)
MAX_VOLTAGE_LIMIT = Register("Max_Voltage_Limit", 32, 2)
MIN_VOLTAGE_LIMIT = Register("Min_Voltage_Limit", 34, 2)
CURRENT_LIMIT = Register("Current_Limit", 38, 2)
VELOCITY_LIMIT = Register("Velocity_Limit", 44, 4)
MAX_POSITION_LIMIT = Register("Max_Position_Limit", 48, 4)
MIN_POSITION_LIMIT = Register("Min_Position_Limit", 52, 4)
SHUTDOWN = Register("Shutdown", 63, 1)
TORQUE_ENABLE = Register("Torque_Enable", 64, 1)
STATUS_RETURN_LEVEL = Register("Status_Return_Level", 68, 1)
HARDWARE_ERROR_STATUS = Register("Hardware_Error_Status", 70, 1, read_only=True)
POSITION_D_GAIN = Register("Position_D_Gain", 80, 2)
POSITION_I_GAIN = Register("Position_I_Gain", 82, 2)
POSITION_P_GAIN = Register("Position_P_Gain", 84, 2)
GOAL_CURRENT = Register("Goal_Current", 102, 2, signed=True)
PROFILE_ACCELERATION = Register("Profile_Acceleration", 108, 4)
PROFILE_VELOCITY = Register("Profile_Velocity", 112, 4)
GOAL_POSITION = Register("Goal_Position", 116, 4, signed=True)
PRESENT_CURRENT = Register("Present_Current", 126, 2, signed=True, read_only=True)
"""Present_Load on servos without current sensing (XL430)."""
PRESENT_VELOCITY = Register("Present_Velocity", 128, 4, signed=True, read_only=True)
PRESENT_POSITION = Register("Present_Position", 132, 4, signed=True, read_only=True)
PRESENT_INPUT_VOLTAGE = Register("Present_Input_Voltage", 144, 2, read_only=True)
PRESENT_TEMPERATURE = Register("Present_Temperature", 146, 1, read_only=True)

REGISTERS = {value.name: value for value in list(vars().values()) if isinstance(value, Register)}


class Mode(IntEnum):
    """Operating_Mode."""

    CURRENT = 0
    VELOCITY = 1
    POSITION = 3
    EXTENDED_POSITION = 4
    CURRENT_BASED_POSITION = 5
    PWM = 16


class HardwareError(IntFlag):
    """Hardware_Error_Status. Cleared only by a reboot."""

    INPUT_VOLTAGE = 1
    OVERHEATING = 4
    MOTOR_ENCODER = 8
    ELECTRICAL_SHOCK = 16
    OVERLOAD = 32


@dataclass(frozen=True)
class Model:
    """What differs between servo models."""

    name: str
    number: int
    ampere_per_unit: float | None
    """None: the servo has no current sensing and reports load instead."""
    current_limit: int
    """Largest and factory value of Current_Limit; 0 without current sensing."""
    p_gain: int
    """Factory value."""
    volts: tuple[float, float]
    """Supply the manufacturer recommends."""
    torque_per_ampere: float | None = None
    """Stall torque over stall current as the manufacturer states them [N m/A]; a servo under friction gives less."""

    @property
    def modes(self) -> frozenset[Mode]:
        without = set() if self.ampere_per_unit else {Mode.CURRENT, Mode.CURRENT_BASED_POSITION}
        return frozenset(Mode) - without

    def has(self, register: Register) -> bool:
        """Whether this model's table knows the register."""
        return self.ampere_per_unit is not None or register not in (CURRENT_LIMIT, GOAL_CURRENT)


MODELS = {
    model.name: model
    for model in (
        Model("XL430-W250", 1060, None, 0, 640, (6.5, 12.0)),
        Model("XM430-W350", 1020, 0.00269, 1193, 800, (10.0, 14.8), 4.1 / 2.3),
        Model("XM540-W270", 1120, 0.00269, 2047, 800, (10.0, 14.8), 10.6 / 4.4),
        Model("XL330-M077", 1190, 0.001, 1750, 400, (3.7, 6.0), 0.215 / 1.47),
        Model("XL330-M288", 1200, 0.001, 1750, 400, (3.7, 6.0), 0.52 / 1.47),
    )
}


def decode(register: Register, data: bytes | bytearray) -> int:
    """The number in a register's bytes (little endian, two's complement where signed). The only place that does it."""
    return int.from_bytes(data, "little", signed=register.signed)


def encode(register: Register, value: int) -> bytes:
    """A number as a register's bytes. Raises BadInput when it does not fit."""
    try:
        return int(value).to_bytes(register.size, "little", signed=register.signed)
    except OverflowError:
        raise BadInput(
            f"{register.name}: {value} does not fit {register.size} {'signed' if register.signed else 'unsigned'} bytes"
        ) from None
