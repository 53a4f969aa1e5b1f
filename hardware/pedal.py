"""What the operator's foot or hand says: edges of numbered buttons, from a serial pedal or a keyboard.

Which button means what is the rig's business (:class:`il_robot.rig.PedalButtons`). A pedal that is missing or
stops answering raises Fault: silence from a pedal never means "nothing pressed".
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import termios
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import serial

from hardware.errors import PORT_ERRORS, in_words
from il_robot.errors import Fault
from il_robot.rig import PedalButtons

BAUD = 115_200
HEARTBEAT_S = 0.2
"""A serial pedal sends a heartbeat at least this often."""
LOST_S = 1.0
"""Without a valid line for this long, a serial pedal is lost."""
REPEATED_S = 0.75
"""A key that comes again sooner is still held: terminals repeat it after 0.25 to 0.66 s, and tell of no release."""
BUTTON_COUNT = 16


@dataclass(frozen=True)
class PedalEvent:
    """One edge of one button."""

    button: int
    pressed: bool
    time_ns: int
    """When this computer received it, nanoseconds since 1970."""


class Pedal(Protocol):
    """Numbered buttons. Poll ``events`` more often than once a second: loss is noticed inside it."""

    def events(self, wait_s: float = 0.0) -> list[PedalEvent]:
        """The edges since the last call, oldest first; waits up to ``wait_s`` for one. Raises Fault when lost."""
        ...

    def close(self) -> None:
        """Gives the device back as it was found. May be called twice."""
        ...


class SerialPedal:
    """A pedal on a serial port (a microcontroller with foot switches), 115200 baud 8N1, ASCII lines.

    ======== ==========================================================================================
    ``+2``   button 2 went down (0..15)
    ``-2``   button 2 went up
    ``=5``   heartbeat, at least every 0.2 s: the buttons held now, as a hexadecimal mask (here 0 and 2)
    ======== ==========================================================================================

    The mask makes the protocol heal itself: an edge lost on the wire is delivered by the next heartbeat.
    Anything else (start-up chatter, a line cut in half) is skipped and counted in ``garbled_lines``.
    A button held while the port is opened is no edge.
    """

    def __init__(self, port: str, lost_s: float = LOST_S) -> None:
        """Opens ``port`` and waits for the first heartbeat. Raises Fault."""
        self.garbled_lines = 0
        self._name = port
        self._lost_s = lost_s
        self._held: int | None = None
        self._tail = b""
        try:
            self._port = serial.Serial(port, BAUD, timeout=0, exclusive=True)
        except PORT_ERRORS as error:
            raise Fault(f"pedal on {port}: cannot open: {in_words(error)}") from None
        self._heard_s = time.monotonic()
        try:
            while self._held is None:
                self.events(lost_s / 10)
        except Fault:
            self.close()
            raise

    def events(self, wait_s: float = 0.0) -> list[PedalEvent]:
        """The edges since the last call, oldest first; waits up to ``wait_s`` for one. Raises Fault when lost."""
        deadline_s = time.monotonic() + wait_s
        while True:
            edges = [edge for line in self._lines(deadline_s) for edge in self._edges(line)]
            now_s = time.monotonic()
            if edges:
                return edges
            if now_s - self._heard_s > self._lost_s:
                raise Fault(
                    f"pedal on {self._name}: no heartbeat for {self._lost_s:g} s; is it the pedal, and powered?"
                )
            if now_s >= deadline_s:
                return []

    def close(self) -> None:
        """Closes the port."""
        self._port.close()

    def _lines(self, deadline_s: float) -> list[bytes]:
        """Complete lines that came before the deadline."""
        try:
            select.select([self._port], [], [], max(0.0, min(deadline_s - time.monotonic(), self._lost_s / 4)))
            received: bytes = self._port.read(4096)
        except PORT_ERRORS as error:
            raise Fault(f"pedal on {self._name}: lost: {in_words(error)}") from None
        *lines, self._tail = (self._tail + received).split(b"\n")
        self._tail = self._tail[-8:]  # noise without line ends must not pile up
        return lines

    def _edges(self, line: bytes) -> list[PedalEvent]:
        kind, digits = line[:1], line[1:].strip()
        try:
            value = int(digits, 16 if kind == b"=" else 10)
        except ValueError:
            value = -1
        if kind == b"=" and 0 <= value < 1 << BUTTON_COUNT:
            held = value
        elif kind in (b"+", b"-") and 0 <= value < BUTTON_COUNT:
            if self._held is None:
                return []
            held = self._held | 1 << value if kind == b"+" else self._held & ~(1 << value)
        else:
            self.garbled_lines += 1
            return []
        self._heard_s = time.monotonic()
        before, self._held = self._held, held
        changed = 0 if before is None else before ^ held
        now_ns = time.time_ns()
        return [PedalEvent(b, bool(held >> b & 1), now_ns) for b in range(BUTTON_COUNT) if changed >> b & 1]


class KeyboardPedal:
    """Keys of the terminal as buttons: space takeover, r record, s success, d discard. A key is press and release,
    once, however long it is held.

    The terminal is read key by key without echo and is put back as it was by :meth:`close`; Ctrl-C still interrupts.
    """

    def __init__(self, buttons: PedalButtons, terminal: str = "/dev/tty") -> None:
        """Takes over ``terminal``. Raises Fault when there is none or another job has it."""
        keys = {"takeover": b" ", "record": b"r", "success": b"s", "discard": b"d"}
        self._buttons = {keys[name]: button for button, name in buttons.meanings.items()}
        self._name = terminal
        self._came_s: dict[bytes, float] = {}
        """When each key came last."""
        self._found: list[Any] | None = None
        try:
            self._file = os.open(terminal, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise Fault(
                f"keyboard pedal: no terminal at {terminal} ({error.strerror}); start it in a terminal"
            ) from None
        try:
            if Path(terminal) == Path("/dev/tty") and os.tcgetpgrp(self._file) != os.getpgrp():
                raise Fault("keyboard pedal: this process is in the background; start it in the foreground")
            self._found = termios.tcgetattr(self._file)
            tty.setcbreak(self._file, termios.TCSANOW)
        except (OSError, termios.error) as error:
            self.close()
            raise Fault(f"keyboard pedal: {terminal} is not a terminal: {error}") from None
        except Fault:
            self.close()
            raise

    def events(self, wait_s: float = 0.0) -> list[PedalEvent]:
        """A press and a release for each key since the last call, oldest first. Raises Fault when lost."""
        select.select([self._file], [], [], wait_s)
        try:
            keys = os.read(self._file, 256)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Fault(f"keyboard pedal: {self._name} is lost: {error.strerror}") from None
        if not keys:
            raise Fault(f"keyboard pedal: {self._name} was closed")
        now_ns = time.time_ns()
        pressed = [self._buttons[key] for key in (bytes([code]).lower() for code in keys) if self._is_pressed(key)]
        return [PedalEvent(button, down, now_ns) for button in pressed for down in (True, False)]

    def _is_pressed(self, key: bytes) -> bool:
        """Whether a key that came was let go of since it came before, and means something."""
        if key not in self._buttons:
            return False
        now_s = time.monotonic()
        before_s, self._came_s[key] = self._came_s.get(key, -math.inf), now_s
        return now_s - before_s > REPEATED_S

    def close(self) -> None:
        """Puts the terminal back as it was found."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError, termios.error):  # a terminal that is gone needs no restoring
            if self._found is not None:
                termios.tcsetattr(self._file, termios.TCSANOW, self._found)
        os.close(self._file)
        self._file = -1
