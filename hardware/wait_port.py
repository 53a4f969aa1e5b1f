"""The dynamixel-sdk's port, made to sleep while it waits."""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from collections.abc import Sequence

from dynamixel_sdk import PortHandler

LOUD_S = 0.02
"""Less than a control period; what is left then is thrown away before the next question."""


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
        """A question. What came before is thrown away: it answers nothing that is asked now."""
        self._received.clear()
        termios.tcflush(self.ser.fileno(), termios.TCIFLUSH)
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
        if not self._received and not self._wait():
            return b""
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def peek(self, length: int) -> bytes:
        """The next so many bytes, which stay to be read; fewer when no more come in time."""
        while len(self._received) < length and self._wait():
            pass
        return bytes(self._received[:length])

    def discard(self, quiet_s: float) -> None:
        """Throws away what came and still comes, until so long nothing does; a port that never falls silent is given
        up after LOUD_S: whoever stops an arm waits for this."""
        until_s = time.monotonic() + LOUD_S
        while time.monotonic() < until_s and select.select([self.ser.fileno()], [], [], quiet_s)[0]:
            self._receive()
        self._received.clear()

    def _wait(self) -> bool:
        """Waits for more, as long as the packet may take. Whether something came."""
        left_s = (self.packet_timeout - self.getTimeSinceStart()) / 1e3
        if not select.select([self.ser.fileno()], [], [], max(0.0, left_s))[0]:
            return False
        self._receive()
        return True

    def _receive(self) -> None:
        received = os.read(self.ser.fileno(), 4096)
        if not received:
            raise OSError(errno.EIO, "ready to read, but nothing comes")
        self._received += received
