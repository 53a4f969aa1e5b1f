"""A serial pedal without a microcontroller: speaks the pedal's lines behind a pseudo-terminal.

For scripted operators and tests: the reader is the real :class:`hardware.pedal.SerialPedal` on real pyserial.
"""

from __future__ import annotations

import contextlib
import os
import threading
import tty
from pathlib import Path

from hardware.closing import Closing
from hardware.pedal import BUTTON_COUNT, HEARTBEAT_S
from il_robot.errors import BadInput


class EmulatedPedal(Closing):
    """Owns the pedal's end of the wire; the computer's end appears at the path ``link``."""

    def __init__(self, link: Path, heartbeat_s: float = HEARTBEAT_S / 2) -> None:
        """Plugs in: makes the symbolic link ``link`` (an old link is replaced) and starts the heartbeat."""
        if link.exists() and not link.is_symlink():
            raise BadInput(f"{link}: exists and is not a link; an emulated pedal needs a free path")
        self.link = link
        self._held = 0
        self._muted = False
        self._wire = threading.Lock()
        self._unplugged = threading.Event()
        # Both ends stay open here, so that a reader may come and go without hanging up the wire.
        self._pedal_end, self._computer_end = os.openpty()
        tty.setraw(self._computer_end)
        os.set_blocking(self._pedal_end, False)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._computer_end))
        self._heart = threading.Thread(target=self._beat, args=(heartbeat_s,), name="emulated pedal", daemon=True)
        self._heart.start()

    def press(self, button: int) -> None:
        """The button goes down."""
        self._edge(button, True)

    def release(self, button: int) -> None:
        """The button goes up."""
        self._edge(button, False)

    def tap(self, button: int) -> None:
        """Down and up."""
        self.press(button)
        self.release(button)

    def send(self, line: bytes) -> None:
        """Any line, right or wrong, onto the wire; lost when nobody reads and the wire is full, as on a real one."""
        with self._wire:
            self._write(line)

    def mute(self) -> None:
        """Power stays, but nothing is sent any more."""
        self._muted = True

    def close(self) -> None:
        """Pulls the plug: the link is gone and the reader's port hangs up. May be called twice."""
        if self._unplugged.is_set():
            return
        self._unplugged.set()
        self._heart.join()
        with self._wire:
            self.link.unlink(missing_ok=True)
            os.close(self._pedal_end)
            os.close(self._computer_end)
            self._pedal_end = self._computer_end = -1

    def _edge(self, button: int, down: bool) -> None:
        if not 0 <= button < BUTTON_COUNT:
            raise BadInput(f"pedal button {button}: allowed: 0..{BUTTON_COUNT - 1}")
        with self._wire:
            self._held = self._held | 1 << button if down else self._held & ~(1 << button)
            self._write(b"%c%d\n" % (b"+" if down else b"-", button))

    def _write(self, line: bytes) -> None:
        """Onto the wire, by whoever holds it: a heartbeat read before an edge must not be sent after it."""
        if self._pedal_end >= 0 and not self._muted:
            with contextlib.suppress(BlockingIOError):
                os.write(self._pedal_end, line)

    def _beat(self, heartbeat_s: float) -> None:
        while True:
            with self._wire:
                self._write(b"=%x\n" % self._held)
            if self._unplugged.wait(heartbeat_s):
                return
