"""Packets to and from the servos on one serial port: the unmodified dynamixel-sdk, on a port that sleeps.

An answer counts only from the servo that was asked and with the length that was asked for. An adapter that stalls
delivers old answers, well formed and from the right servo: taking one for the answer to the next question would turn
a gain into a voltage, or yesterday's position into today's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import termios
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dynamixel_sdk import COMM_RX_CORRUPT, COMM_SUCCESS, COMM_TX_FAIL, PacketHandler, PortHandler

from hardware.errors import PORT_ERRORS, in_words
from il_robot.errors import Fault

PATIENT_S = 0.05
"""How long a servo may take where nothing waits: single reads and writes while an arm is set up."""
QUIET_S = 0.002
OK: int = COMM_SUCCESS


class WaitPort(PortHandler):  # type: ignore[misc]
    """The SDK's port, sleeping in select() where the original spins, and without pyserial's detours on the way."""

    def __init__(self, port_name: str, reply_s: float) -> None:
        super().__init__(port_name)
        self.reply_s = reply_s
        self.sent = b""
        """The packet written last."""
        self._received = bytearray()
        """What the system handed over and nobody asked for yet."""

    def setupPort(self, cflag_baud: int) -> bool:  # noqa: N802 (the SDK's name)
        self._received.clear()
        return bool(super().setupPort(cflag_baud))

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802
        self.setPacketTimeoutMillis(self.tx_time_per_byte * packet_length + self.reply_s * 1e3)

    def getCurrentTime(self) -> float:  # noqa: N802
        return time.monotonic() * 1e3

    def clearPort(self) -> None:  # noqa: N802
        """Nothing: what was written before goes out before. The original waits for that, at every packet."""

    def writePort(self, packet: Sequence[int]) -> int:  # noqa: N802
        self.sent = bytes(packet)
        return self.write(self.sent)

    def write(self, packet: bytes) -> int:
        """How many bytes went out: fewer than there are when the system's buffer is full."""
        try:
            return os.write(self.ser.fileno(), packet)
        except BlockingIOError:
            return 0

    def readPort(self, length: int) -> bytes:  # noqa: N802
        """Up to so many bytes, waiting for the first."""
        if length <= 0:
            return b""
        if not self._received:
            left_s = (self.packet_timeout - self.getTimeSinceStart()) / 1e3
            if not select.select([self.ser.fileno()], [], [], max(0.0, left_s))[0]:
                return b""
            self._receive()
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def discard(self, quiet_s: float) -> None:
        """Throws away what came and still comes, until so long nothing does."""
        while select.select([self.ser.fileno()], [], [], quiet_s)[0]:
            self._receive()
        self._received.clear()

    def _receive(self) -> None:
        received = os.read(self.ser.fileno(), 4096)
        if not received:
            raise OSError(errno.EIO, "ready to read, but nothing comes")
        self._received += received


class Answer(NamedTuple):
    """What came back. ``error`` and ``data`` mean something only where it is ``ok``."""

    result: int
    error: int = 0
    data: bytes = b""

    @property
    def ok(self) -> bool:
        return self.result == OK


class Wire:
    """One open port. Every method raises Fault when the port is gone."""

    def __init__(self, port: str, baud: int, reply_s: float) -> None:
        """Opens the port for this process alone. Raises Fault."""
        self.name = port
        self._reply_s = reply_s
        self._marker = 0
        self._sdk = PacketHandler(2.0)
        self._port = WaitPort(port, reply_s)
        self._baud = baud
        self._requests: dict[tuple[tuple[int, ...], int, int, bool], bytes] = {}
        """The sync reads asked before, as the SDK built them: a control loop asks the same again and again."""
        self.open()

    def open(self) -> None:
        """Opens the port, again if it was open; what it had not sent by then is never sent. Raises Fault."""
        if self._port.is_open:
            with contextlib.suppress(*PORT_ERRORS):
                self._port.ser.reset_output_buffer()
        self.close()
        with self._used("cannot open"):
            self._port.setBaudRate(self._baud)
            self._port.ser.exclusive = True
        with contextlib.suppress(OSError, ValueError):  # only some adapters know the setting
            self._port.ser.set_low_latency_mode(True)

    def close(self) -> None:
        """Closes the port. May be called twice."""
        if self._port.is_open:
            with contextlib.suppress(OSError, termios.error):
                self._port.closePort()

    def ping(self, servo_id: int) -> Answer:
        """The model number (2 bytes) and firmware (1 byte)."""
        with self._used(patient=True):
            packet = [0, 0, 0, 0, servo_id, 3, 0, 1, 0, 0]  # instruction 1, ping
            return self._sent(self._sdk.txPacket(self._port, packet), servo_id, 3)

    def read(self, servo_id: int, address: int, size: int) -> Answer:
        """``size`` bytes of one servo's table."""
        with self._used(patient=True):
            return self._sent(self._sdk.readTx(self._port, servo_id, address, size), servo_id, size)

    def write(self, servo_id: int, address: int, data: bytes) -> Answer:
        """Writes one servo's table; it confirms."""
        with self._used(patient=True):
            result = self._sdk.writeTxOnly(self._port, servo_id, address, len(data), list(data))
            return self._sent(result, servo_id, 0)

    def reboot(self, servo_id: int) -> Answer:
        """Restarts one servo; it confirms."""
        with self._used(patient=True):
            packet = [0, 0, 0, 0, servo_id, 3, 0, 8, 0, 0]  # instruction 8, reboot
            return self._sent(self._sdk.txPacket(self._port, packet), servo_id, 0)

    def sync_write(self, address: int, size: int, parameters: Sequence[int]) -> Answer:
        """Writes several servos' tables (id, bytes, id, bytes, ...); none confirms."""
        with self._used():
            return Answer(self._sdk.syncWriteTxOnly(self._port, address, size, list(parameters), len(parameters)))

    def sync_read(self, servo_ids: Sequence[int], address: int, size: int) -> list[Answer]:
        """``size`` bytes of each servo, one packet after the other; ends with the first that fails."""
        answers = []
        with self._used():
            result = self._ask_all(servo_ids, address, size, fast=False)
            for servo_id in servo_ids:
                answers.append(self._receive(servo_id, size) if result == OK else Answer(result))
                if not answers[-1].ok:
                    self._port.discard(QUIET_S)
                    break
        return answers

    def fast_sync_read(self, servo_ids: Sequence[int], address: int, size: int) -> list[Answer]:
        """The same in one packet: (error, id, data, checksum) of each servo; a single failed answer if it fails.

        Decoded here because the SDK's own decoding drops the error bytes and, when a firmware stuffs this packet,
        shifts the last servo's position by a byte without noticing.
        """
        expected = len(servo_ids) * (size + 4) - 2
        with self._used():
            result = self._ask_all(servo_ids, address, size, fast=True)
            while result == OK:
                wire, result = self._sdk.rxPacket(self._port, True)
                if result != OK:
                    break
                body = bytes(wire[8:-2])
                if len(body) > expected:
                    body = body.replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
                parts = [body[at : at + size + 2] for at in range(0, expected, size + 4)]
                if len(body) == expected and [part[1] for part in parts] == list(servo_ids):
                    return [Answer(OK, part[0], part[2:]) for part in parts]
            self._port.discard(QUIET_S)
        return [Answer(result if result != OK else COMM_RX_CORRUPT)]

    def discard(self) -> None:
        """Throws away what is still on its way. Raises Fault when the port is gone."""
        with self._used():
            self._port.discard(QUIET_S)

    def catch_up(self, servo_id: int) -> bool:
        """After a lost answer: makes sure that it cannot come later. Whether the servo answers again.

        A servo answers in order. A read of a length used nowhere else marks the place: with its answer, all
        earlier ones are gone.
        """
        self._marker = (self._marker + 1) % 16
        return self.read(servo_id, 0, 5 + self._marker).ok

    def explain(self, error: int) -> str:
        """A servo's refusal in words."""
        words: str = self._sdk.getRxPacketError(error)
        return words.removeprefix("[RxPacketError] ")

    def _sent(self, result: int, servo_id: int, size: int) -> Answer:
        if result != OK:
            return Answer(result)
        self._port.setPacketTimeout(size + 11)
        return self._receive(servo_id, size)

    def _receive(self, servo_id: int, size: int) -> Answer:
        """The next answer of this servo with so many bytes; others are thrown away."""
        while True:
            packet, result = self._sdk.rxPacket(self._port, False)
            if result != OK:
                return Answer(result)
            if packet[4] == servo_id and packet[5] | packet[6] << 8 == size + 4:
                return Answer(result, packet[8], bytes(packet[9 : 9 + size]))

    def _ask_all(self, servo_ids: Sequence[int], address: int, size: int, *, fast: bool) -> int:
        """Sends a sync read; the SDK's result."""
        key = tuple(servo_ids), address, size, fast
        if key not in self._requests:
            result: int = self._sdk.syncReadTx(self._port, address, size, list(servo_ids), len(servo_ids), fast)
            self._requests[key] = self._port.sent
            return result
        request = self._requests[key]
        if self._port.write(request) < len(request):
            return int(COMM_TX_FAIL)
        self._port.setPacketTimeout((11 + size) * len(servo_ids))  # as the SDK does
        return OK

    @contextlib.contextmanager
    def _used(self, what: str = "lost", patient: bool = False) -> Iterator[None]:
        """Around every use of the port: what the operating system throws becomes one Fault."""
        self._port.is_using = False  # the SDK leaves its flag behind when the port throws
        self._port.reply_s = max(self._reply_s, PATIENT_S) if patient else self._reply_s
        try:
            yield
        except PORT_ERRORS as error:
            raise Fault(f"bus {self.name}: {what}: {in_words(error)}") from None
