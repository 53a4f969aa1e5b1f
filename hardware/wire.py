"""Packets to and from the servos on one serial port: the unmodified dynamixel-sdk, on a port that sleeps.

An answer counts only from the servo that was asked and with the length that was asked for. An adapter that stalls
delivers old answers, well formed and from the right servo: taking one for the answer to the next question would turn
a gain into a voltage, or yesterday's position into today's.
"""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dynamixel_sdk import BROADCAST_ID, COMM_SUCCESS, COMM_TX_FAIL, PacketHandler
from fastcrc.crc16 import umts

from hardware.errors import PORT_ERRORS, in_words
from hardware.wait_port import WaitPort
from il_robot.errors import Fault

PATIENT_S = 0.05
"""How long a servo may take where nothing waits: single reads and writes while an arm is set up."""
QUIET_S = 0.002
MARKER_SIZE = 16
"""Longer than anything that is read of a servo otherwise: by its length the answer to a marker is known."""
HEAD, STATUS = b"\xff\xff\xfd\x00\xfe", b"\x55"
"""What a packet from all servos begins with; two bytes of length stand between."""
OK: int = COMM_SUCCESS


class Answer(NamedTuple):
    """What came back. ``error`` and ``data`` mean something only where it is ``ok``."""

    result: int
    error: int = 0
    data: bytes = b""

    @property
    def ok(self) -> bool:
        return self.result == OK


class Answers(NamedTuple):
    """What several servos sent back, in the order asked. Only where all did, and it is ``ok``, is the rest filled."""

    result: int
    errors: bytes = b""
    """The error byte of each."""
    data: Sequence[bytes] = ()

    @property
    def ok(self) -> bool:
        return self.result == OK


class Wire:
    """One open port. Every method raises Fault when the port is gone."""

    def __init__(self, port: str, baud: int, reply_s: float) -> None:
        """Opens the port for this process alone. Raises Fault."""
        self.name = port
        self.reply_s = reply_s
        """How long servos may take beyond the time on the wire."""
        self.patient_s = PATIENT_S
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

    def sync_write(self, address: int, size: int, parameters: bytes) -> Answer:
        """Writes several servos' tables (id, bytes, id, bytes, ...); none confirms."""
        packet = sync_write_packet(address, size, parameters)
        with self._used():
            return Answer(OK if self._port.write(packet) == len(packet) else COMM_TX_FAIL)

    def sync_read(self, servo_ids: Sequence[int], address: int, size: int) -> Answers:
        """``size`` bytes of each servo, one packet after the other; ends with the first that fails."""
        answers = []
        with self._used():
            result = self._ask_all(servo_ids, address, size, fast=False)
            for servo_id in servo_ids:
                answers.append(self._receive(servo_id, size) if result == OK else Answer(result))
                if not answers[-1].ok:
                    self._port.discard(QUIET_S)
                    return Answers(answers[-1].result)
        return Answers(OK, bytes(answer.error for answer in answers), [answer.data for answer in answers])

    def fast_sync_read(self, servo_ids: Sequence[int], address: int, size: int) -> Answers:
        """The same in one packet: (error, id, data, checksum) of each servo.

        Taken apart here because the SDK's own decoding drops the error bytes and, when a firmware stuffs this packet,
        shifts the last servo's position by a byte without noticing.
        """
        with self._used():
            result = self._ask_all(servo_ids, address, size, fast=True)
            body = self._undisturbed(len(servo_ids) * (size + 4) - 2) if result == OK else b""
            while result == OK:
                if answers := _shares(body, servo_ids, size):
                    return answers
                packet, result = self._sdk.rxPacket(self._port, True)
                body = bytes(packet[8:-2]) if result == OK and packet[4] == BROADCAST_ID else b""
            self._port.discard(QUIET_S)
        return Answers(result)

    def catch_up(self, servo_id: int) -> bool:
        """After a lost answer: makes sure that it cannot come later. Whether the servo answers again.

        A servo answers in order. A read of a length used nowhere else marks the place: with its answer, all
        earlier ones are gone.
        """
        self._marker = (self._marker + 1) % 16
        return self.read(servo_id, 0, MARKER_SIZE + self._marker).ok

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

    def _undisturbed(self, size: int) -> bytes:
        """What lies between head and checksum of the packet of all servos, if nothing but that one comes and it needs
        no unstuffing. Nothing else: the bytes stay, for the SDK to sort out, which takes ten times as long.
        """
        packet = self._port.peek(len(HEAD) + 3 + size + 2)
        head = HEAD + (size + 3).to_bytes(2, "little") + STATUS
        if not packet.startswith(head) or umts(packet[:-2]) != int.from_bytes(packet[-2:], "little"):
            return b""
        self._port.readPort(len(packet))
        return packet[len(head) : -2]

    def _ask_all(self, servo_ids: Sequence[int], address: int, size: int, *, fast: bool) -> int:
        """Sends a sync read; the SDK's result."""
        key = tuple(servo_ids), address, size, fast
        if key not in self._requests:
            result: int = self._sdk.syncReadTx(self._port, address, size, list(servo_ids), len(servo_ids), fast)
            self._requests[key] = self._port.sent
            return result
        request = self._requests[key]
        if self._port.writePort(request) < len(request):
            return int(COMM_TX_FAIL)
        self._port.setPacketTimeout((11 + size) * len(servo_ids))  # as the SDK does
        return OK

    @contextlib.contextmanager
    def _used(self, what: str = "lost", patient: bool = False) -> Iterator[None]:
        """Around every use of the port: what the operating system throws becomes one Fault."""
        self._port.is_using = False  # the SDK leaves its flag behind when the port throws
        self._port.reply_s = max(self.reply_s, self.patient_s) if patient else self.reply_s
        try:
            yield
        except PORT_ERRORS as error:
            raise Fault(f"bus {self.name}: {what}: {in_words(error)}") from None


def _shares(body: bytes, servo_ids: Sequence[int], size: int) -> Answers | None:
    """What each servo said in the packet of all of them; None when it is not the answer to such a question."""
    stride = size + 4
    expected = len(servo_ids) * stride - 2
    if len(body) > expected:
        body = body.replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
    if len(body) != expected or body[1::stride] != bytes(servo_ids):
        return None
    return Answers(OK, body[::stride], [body[at : at + size] for at in range(2, expected, stride)])


def sync_write_packet(address: int, size: int, parameters: bytes) -> bytes:
    """The sync write (instruction 0x83) of ``parameters`` (id, ``size`` bytes, id, ...).

    The SDK builds the same in ten times the time, which counts in a control loop; and it forgets the stuffing.
    """
    body = b"\x83" + address.to_bytes(2, "little") + size.to_bytes(2, "little") + parameters
    body = body.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
    packet = HEAD + (len(body) + 2).to_bytes(2, "little") + body
    return packet + umts(packet).to_bytes(2, "little")
