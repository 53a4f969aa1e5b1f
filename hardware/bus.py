"""One Dynamixel bus: reads and writes registers of the servos on one serial port, and counts what gets lost.

On top of the unmodified dynamixel-sdk. Not thread-safe: a bus belongs to one thread.
"""

from __future__ import annotations

import contextlib
import select
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import serial
from dynamixel_sdk import COMM_RX_TIMEOUT, COMM_SUCCESS, PacketHandler, PortHandler

from hardware import control_table as table
from hardware.control_table import Register
from il_robot.errors import Fault

REPLY_S = 0.006
"""How long a servo may take beyond the time on the wire. Well under a 20 ms period, well over a 1 ms USB latency."""
FAST_TRIES = 3
ALERT = 0x80
T = TypeVar("T")


class WaitPort(PortHandler):  # type: ignore[misc]
    """The SDK's port, sleeping in select() where the original spins: 6 % of a core instead of 40 % for four arms."""

    def __init__(self, port_name: str, reply_s: float) -> None:
        super().__init__(port_name)
        self._reply_ms = reply_s * 1e3

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802 (the SDK's name)
        self.setPacketTimeoutMillis(self.tx_time_per_byte * packet_length + self._reply_ms)

    def getCurrentTime(self) -> float:  # noqa: N802
        return time.monotonic() * 1e3

    def readPort(self, length: int) -> bytes:  # noqa: N802
        if length <= 0:
            return b""
        left_s = (self.packet_timeout - self.getTimeSinceStart()) / 1e3
        if left_s > 0:
            select.select([self.ser.fileno()], [], [], left_s)
        received: bytes = self.ser.read(length)
        return received


@dataclass
class BusHealth:
    """What happened on a bus since it was opened."""

    reads: int = 0
    """Sync reads asked."""
    lost: int = 0
    """Sync reads that brought nothing, after the retry."""
    consecutive_lost: int = 0
    retried: int = 0
    corrupt: int = 0
    """Answers with a wrong checksum or length."""
    alerts: set[int] = field(default_factory=set)
    """Servos that report a hardware error."""


class Bus:
    """The servos on one serial port."""

    def __init__(self, port: str, baud: int = 1_000_000, reply_s: float = REPLY_S, retries: int = 1) -> None:
        """Opens the port, for this process alone. Raises Fault."""
        self.port = port
        self.health = BusHealth()
        self.fast_read = True
        """Whether sync reads use the fast instruction; turned off when the firmware does not know it."""
        self._retries = retries
        self._fast_failures = 0
        self._sdk = PacketHandler(2.0)
        self._port = WaitPort(port, reply_s)
        if baud not in table.BAUD_CODES:
            raise Fault(f"bus {port}: baud {baud} is not one the servos know; allowed: {sorted(table.BAUD_CODES)}")
        with self._line("cannot open"):
            self._port.setBaudRate(baud)
            self._port.ser.exclusive = True
        with contextlib.suppress(OSError, ValueError, AttributeError):  # only some adapters know the setting
            self._port.ser.set_low_latency_mode(True)

    def close(self) -> None:
        """Closes the port; servos keep their torque and goal. May be called twice."""
        if self._port.is_open:
            with contextlib.suppress(OSError, termios.error):
                self._port.closePort()

    def ping(self, servo_id: int) -> int | None:
        """The model number behind an id; None when nobody answers. Raises Fault when the port is gone."""
        with self._line():
            number, result, _ = self._sdk.ping(self._port, servo_id)
        return int(number) if result == COMM_SUCCESS else None

    def read(self, servo_id: int, register: Register) -> int:
        """One register of one servo. Raises Fault when it stays silent, garbled or refuses."""
        data = self._ask(
            servo_id,
            f"reading {register.name}",
            lambda: self._sdk.readTxRx(self._port, servo_id, register.address, register.size),
        )
        return table.decode(register, bytes(data))

    def write(self, servo_id: int, register: Register, value: int) -> None:
        """Writes one register of one servo and waits for its consent. Raises Fault."""
        data = list(table.encode(register, value))
        self._ask(
            servo_id,
            f"writing {value} to {register.name}",
            lambda: (b"", *self._sdk.writeTxRx(self._port, servo_id, register.address, register.size, data)),
        )

    def reboot(self, servo_id: int) -> None:
        """Restarts a servo, which clears its hardware error; its torque goes. Raises Fault."""
        self._ask(servo_id, "rebooting", lambda: (b"", *self._sdk.reboot(self._port, servo_id)))
        self.health.alerts.discard(servo_id)

    def sync_read(self, servo_ids: Sequence[int], first: Register, last: Register) -> dict[int, bytes] | None:
        """The bytes from ``first`` to ``last`` of all servos in one exchange, by id.

        None when they did not all come back after the retry: that is counted, and the caller's to judge.
        Raises Fault when the port is gone.
        """
        size = last.address + last.size - first.address
        self.health.reads += 1
        for attempt in range(self._retries + 1):
            self.health.retried += attempt > 0
            # The retry is a plain read: what breaks a fast one (stuffing, old firmware) does not break that.
            fast = self.fast_read and attempt == 0
            with self._line():
                found = (self._fast_read if fast else self._plain_read)(servo_ids, first.address, size)
            if found is not None:
                self._judge_fast(fast, attempt)
                self.health.consecutive_lost = 0
                return found
        self.health.lost += 1
        self.health.consecutive_lost += 1
        return None

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """One register of several servos at once. Servos do not confirm it. Raises Fault when the port is gone."""
        parameters = [b for servo_id, value in values.items() for b in (servo_id, *table.encode(register, value))]
        with self._line():
            result = self._sdk.syncWriteTxOnly(self._port, register.address, register.size, parameters, len(parameters))
        if result != COMM_SUCCESS:
            raise Fault(f"bus {self.port}: writing {register.name}: {self._sdk.getTxRxResult(result)}")

    def _plain_read(self, servo_ids: Sequence[int], address: int, size: int) -> dict[int, bytes] | None:
        result = self._sdk.syncReadTx(self._port, address, size, list(servo_ids), len(servo_ids), False)
        found = {}
        for servo_id in servo_ids if result == COMM_SUCCESS else ():
            data, result, error = self._sdk.readRx(self._port, servo_id, size)
            if result != COMM_SUCCESS or len(data) != size:
                self.health.corrupt += result != COMM_RX_TIMEOUT
                return None
            self._note_alert(servo_id, error)
            found[servo_id] = bytes(data)
        return found or None

    def _fast_read(self, servo_ids: Sequence[int], address: int, size: int) -> dict[int, bytes] | None:
        """All servos in one packet: (error, id, data, checksum) each.

        Decoded here because the SDK's own decoding drops the error bytes and, when a firmware stuffs this packet,
        shifts the last servo's position by a byte without noticing.
        """
        result = self._sdk.syncReadTx(self._port, address, size, list(servo_ids), len(servo_ids), True)
        if result != COMM_SUCCESS:
            return None
        wire, result = self._sdk.rxPacket(self._port, True)
        if result != COMM_SUCCESS:
            self.health.corrupt += result != COMM_RX_TIMEOUT
            return None
        body = bytes(wire[8:-2])
        expected = len(servo_ids) * (size + 4) - 2
        if len(body) > expected:
            body = body.replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
        parts = [body[at : at + size + 2] for at in range(0, expected, size + 4)]
        if len(body) != expected or [part[1] for part in parts] != list(servo_ids):
            self.health.corrupt += 1
            return None
        for part in parts:
            self._note_alert(part[1], part[0])
        return {part[1]: part[2:] for part in parts}

    def _judge_fast(self, fast: bool, attempt: int) -> None:
        """Three fast reads in a row that only the plain retry could replace: this firmware has no fast read."""
        if fast:
            self._fast_failures = 0
        elif self.fast_read and attempt == 1:
            self._fast_failures += 1
            self.fast_read = self._fast_failures < FAST_TRIES

    def _note_alert(self, servo_id: int, error: int) -> None:
        if error & ALERT:
            self.health.alerts.add(servo_id)
        else:
            self.health.alerts.discard(servo_id)

    def _ask(self, servo_id: int, doing: str, exchange: Callable[[], tuple[T, int, int]]) -> T:
        """One exchange with one servo, retried. Raises Fault when it fails for good."""
        for _ in range(self._retries + 1):
            with self._line():
                data, result, error = exchange()
            if result == COMM_SUCCESS:
                break
        if result == COMM_RX_TIMEOUT:
            raise Fault(f"bus {self.port}: servo {servo_id} does not answer ({doing}); check power and cable")
        if result != COMM_SUCCESS:
            raise Fault(f"bus {self.port}: servo {servo_id} answers garbled ({doing}); two servos with one id?")
        self._note_alert(servo_id, error)
        if error & ~ALERT:
            reason = self._sdk.getRxPacketError(error & ~ALERT).removeprefix("[RxPacketError] ")
            raise Fault(f"bus {self.port}: servo {servo_id} refuses {doing}: {reason}")
        return data

    @contextlib.contextmanager
    def _line(self, what: str = "lost") -> Iterator[None]:
        """Around every use of the port: what the operating system throws becomes one Fault."""
        self._port.is_using = False  # the SDK leaves its flag behind when the port throws
        try:
            yield
        except (serial.SerialException, OSError, termios.error) as error:
            raise Fault(f"bus {self.port}: {what}: {error}") from None
