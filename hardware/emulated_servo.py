"""One emulated Dynamixel X servo: its control table, what it accepts, and what it asks of its shaft.

Position-type modes only, which is all this project drives.
"""

from __future__ import annotations

from calibration.joint import RAD_PER_TICK, TICKS_PER_TURN
from hardware import control_table as table
from hardware.control_table import HardwareError, Mode, Model, Register
from hardware.emulated_shaft import Shaft
from hardware.packet import Error

FIRMWARE = 46
SUPPLY_V = 12.0
"""What one supply gives all servos of a chain; models that it would destroy have the middle of their own range."""
CURRENT_PER_TICK = 4.0
"""Current units per tick of position error at the factory P gain."""
OVERLOAD_SHARE = 0.5
"""Share of the model's largest current that heats the motor."""
OVERLOAD_S = 1.0
POSITION_MODES = (Mode.POSITION, Mode.EXTENDED_POSITION, Mode.CURRENT_BASED_POSITION)

_BY_BYTE = {r.address + i: r for r in table.REGISTERS.values() for i in range(r.size)}


class EmulatedServo:
    """A control table on a shaft."""

    def __init__(self, servo_id: int, model: Model, shaft: Shaft, mount: int = 1) -> None:
        """``mount`` is -1 for the shadow that faces its main servo."""
        self.model = model
        self.shaft = shaft
        self.eeprom_writes = 0
        self._mount = mount
        self._turns = 0
        self._overload_s = 0.0
        self._bytes = bytearray(256)
        for register, value in (
            (table.MODEL_NUMBER, model.number),
            (table.FIRMWARE_VERSION, FIRMWARE),
            (table.ID, servo_id),
            (table.BAUD_RATE, table.BAUD_CODES[1_000_000]),
            (table.RETURN_DELAY_TIME, 250),
            (table.OPERATING_MODE, Mode.POSITION),
            (table.SECONDARY_ID, 255),
            (table.TEMPERATURE_LIMIT, 80),
            (table.MAX_VOLTAGE_LIMIT, 160),
            (table.MIN_VOLTAGE_LIMIT, 95),
            (table.CURRENT_LIMIT, model.current_limit),
            (table.VELOCITY_LIMIT, 200),
            (table.MAX_POSITION_LIMIT, 4095),
            (table.SHUTDOWN, HardwareError.ELECTRICAL_SHOCK | HardwareError.OVERLOAD | HardwareError.OVERHEATING),
        ):
            self.set(register, value)
        self.power_on()

    def get(self, register: Register) -> int:
        if register.size == 1 and not register.signed:
            return self._bytes[register.address]  # most of what a step asks: the rest costs twice as much
        return table.decode(register, self._bytes[register.address : register.address + register.size])

    def set(self, register: Register, value: int) -> None:
        """Past every rule, as the firmware itself does."""
        self._bytes[register.address : register.address + register.size] = table.encode(register, value)

    @property
    def id(self) -> int:
        return self.get(table.ID)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids it obeys."""
        second = self.get(table.SECONDARY_ID)
        return (self.id, second) if second < 253 else (self.id,)

    @property
    def drives(self) -> bool:
        return bool(self.get(table.TORQUE_ENABLE)) and self.get(table.OPERATING_MODE) in POSITION_MODES

    @property
    def speed_limit(self) -> float:
        """[ticks/s]."""
        limit, profile = self.get(table.VELOCITY_LIMIT), self.get(table.PROFILE_VELOCITY)
        units = min(limit, profile) if profile else limit
        return units * table.RAD_S_PER_VELOCITY_UNIT / RAD_PER_TICK

    @property
    def goal_angle(self) -> float:
        """Where on the shaft its goal lies."""
        return self._shaft_angle(self.get(table.GOAL_POSITION) - self._turns * TICKS_PER_TURN)

    @property
    def reading(self) -> int:
        return round(self._shaft_angle(self.shaft.angle)) + self._turns * TICKS_PER_TURN

    @property
    def pull(self) -> float:
        """Its current, signed as the shaft turns."""
        return self._direction * self._current()

    @property
    def _direction(self) -> int:
        return 1 if self._shaft_angle(1.0) == 1.0 else -1

    def hang(self, load: float) -> None:
        """A weight pulls at its shaft, towards higher readings if positive [current units that hold it]."""
        self.shaft.load = self._direction * load

    def _shaft_angle(self, ticks: float) -> float:
        """Shaft angle to encoder ticks, or back: a reflection at the middle, or nothing."""
        reversed_ = self.get(table.DRIVE_MODE) & 1
        return ticks if self._mount * (-1 if reversed_ else 1) > 0 else 4096 - ticks

    def place(self, ticks: float) -> None:
        """A hand turns the shaft until this servo reads ``ticks``."""
        self.shaft.angle = self._shaft_angle(ticks - self._turns * TICKS_PER_TURN)
        self.sense(0.0)

    def power_on(self, turns: int = 0) -> None:
        """RAM as after switching on or a reboot; multi-turn modes may wake up whole turns away."""
        self._bytes[table.RAM_BEGIN :] = bytes(256 - table.RAM_BEGIN)
        self._overload_s = 0.0
        self._turns = turns
        self.set(table.STATUS_RETURN_LEVEL, 2)
        volts = SUPPLY_V if self.model.volts[1] >= SUPPLY_V else sum(self.model.volts) / 2
        self.set(table.PRESENT_INPUT_VOLTAGE, round(volts / table.VOLT_PER_UNIT))
        self.set(table.PRESENT_TEMPERATURE, 35)
        self._mode_defaults()
        self.sense(0.0)
        self.set(table.GOAL_POSITION, self.reading)

    def read(self, address: int, size: int) -> tuple[int, bytes]:
        """(error, data) of a read instruction."""
        if address + size > len(self._bytes):
            return Error.DATA_RANGE, b""
        return self._alert(Error.NONE), bytes(self._bytes[address : address + size])

    def write(self, address: int, data: bytes) -> int:
        """The error of a write instruction; nothing is written when it is refused."""
        registers = [_BY_BYTE[a] for a in range(address, address + len(data)) if a in _BY_BYTE]
        for register in dict.fromkeys(registers):
            error = self._refuses(register, data[register.address - address :][: register.size])
            if error:
                return self._alert(error)
        if address < table.RAM_BEGIN and data != self._bytes[address : address + len(data)]:
            self.eeprom_writes += 1
        mode = self.get(table.OPERATING_MODE)
        self._bytes[address : address + len(data)] = data
        if self.get(table.OPERATING_MODE) != mode:
            self._mode_defaults()
        if table.TORQUE_ENABLE in registers and self.get(table.OPERATING_MODE) == Mode.POSITION:
            self._turns = 0
        return self._alert(Error.NONE)

    def fail(self, error: HardwareError) -> None:
        """A hardware error strikes; with its bit in Shutdown, the torque goes."""
        self.set(table.HARDWARE_ERROR_STATUS, self.get(table.HARDWARE_ERROR_STATUS) | error)
        if self.get(table.SHUTDOWN) & error:
            self.set(table.TORQUE_ENABLE, 0)

    def sense(self, dt_s: float) -> None:
        """Refreshes the present values from the shaft."""
        self.set(table.PRESENT_POSITION, self.reading)
        velocity = self._direction * self.shaft.speed * RAD_PER_TICK / table.RAD_S_PER_VELOCITY_UNIT
        self.set(table.PRESENT_VELOCITY, round(velocity))
        current = self._current()
        self.set(table.PRESENT_CURRENT, current)
        heats = abs(current) > OVERLOAD_SHARE * (self.model.current_limit or 1000)
        self._overload_s = self._overload_s + dt_s if heats else 0.0
        if self._overload_s > OVERLOAD_S:
            self.fail(HardwareError.OVERLOAD)

    def _current(self) -> int:
        if not self.drives:
            return 0
        error = self.get(table.GOAL_POSITION) - self.reading
        wanted = CURRENT_PER_TICK * error * self.get(table.POSITION_P_GAIN) / self.model.p_gain
        if self.get(table.OPERATING_MODE) == Mode.CURRENT_BASED_POSITION:
            limit = abs(self.get(table.GOAL_CURRENT))
        else:
            limit = self.get(table.CURRENT_LIMIT) if self.model.ampere_per_unit else 1000
        return round(min(max(wanted, -limit), limit))

    def _mode_defaults(self) -> None:
        """A new operating mode starts from the factory gains."""
        self.set(table.POSITION_P_GAIN, self.model.p_gain)
        self.set(table.POSITION_I_GAIN, 0)
        self.set(table.POSITION_D_GAIN, 0)
        self.set(table.GOAL_CURRENT, self.get(table.CURRENT_LIMIT))

    def _refuses(self, register: Register, data: bytes) -> int:
        if register.read_only or not self.model.has(register) or len(data) < register.size:
            return Error.ACCESS
        if register.eeprom and self.get(table.TORQUE_ENABLE):
            return Error.ACCESS
        value = table.decode(register, data)
        if register is table.OPERATING_MODE:
            return Error.NONE if value in self.model.modes else Error.DATA_RANGE
        if register is table.TORQUE_ENABLE:
            broken = self.get(table.HARDWARE_ERROR_STATUS) & self.get(table.SHUTDOWN)
            return Error.ACCESS if value and broken else Error.NONE
        if register is table.GOAL_CURRENT and abs(value) > self.get(table.CURRENT_LIMIT):
            return Error.DATA_LIMIT
        if register is table.GOAL_POSITION and self.get(table.OPERATING_MODE) == Mode.POSITION:
            inside = self.get(table.MIN_POSITION_LIMIT) <= value <= self.get(table.MAX_POSITION_LIMIT)
            return Error.NONE if inside else Error.DATA_LIMIT
        return Error.NONE

    def _alert(self, error: int) -> int:
        return error | 0x80 if self.get(table.HARDWARE_ERROR_STATUS) else error
