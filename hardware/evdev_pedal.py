"""A USB foot switch that says it is a keyboard or mouse: the kernel's input events as button edges.

Linux' own interface (linux/input.h: ``struct input_event``, ``EVIOCGRAB``) is read directly: python-evdev has to be
compiled against kernel headers, and all that is needed of it is one struct and one ioctl.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import struct
import time
from collections.abc import Iterator, Mapping

from hardware.errors import in_words
from hardware.pedal import PedalEvent
from il_robot.errors import BadInput, Fault, nearest
from il_robot.rig import PedalButtons

EVENT = struct.Struct("@llHHi")
"""``struct input_event``: seconds, microseconds, type, code, value."""
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3
UP, DOWN = 0, 1
EVIOCGRAB = 0x40044590
"""``_IOW('E', 0x90, int)``."""
ROWS = {2: "1234567890", 16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"}
KEYS = {
    **{f"KEY_{letter}": first + at for first, row in ROWS.items() for at, letter in enumerate(row)},
    **{f"KEY_F{number}": 58 + number for number in range(1, 11)},
    **{"KEY_F11": 87, "KEY_F12": 88, "KEY_ENTER": 28, "KEY_SPACE": 57, "KEY_TAB": 15, "KEY_ESC": 1},
    **{"KEY_UP": 103, "KEY_PAGEUP": 104, "KEY_LEFT": 105, "KEY_RIGHT": 106, "KEY_DOWN": 108, "KEY_PAGEDOWN": 109},
    **{"BTN_LEFT": 272, "BTN_RIGHT": 273, "BTN_MIDDLE": 274},
}
"""The keys that foot switches send, by their names in linux/input-event-codes.h."""


def check_keys(keys: Mapping[str, int]) -> None:
    """Raises BadInput when ``keys`` (key -> button) names no key, an unknown one, or an impossible button."""
    if not keys:
        raise BadInput("pedal: kind evdev needs keys, as {KEY_A: 0}: which key is which button")
    for key, button in keys.items():
        if key not in KEYS:
            raise BadInput(f"pedal: no key {key!r}; {nearest(key, KEYS)}")
        if not 0 <= button <= 15:
            raise BadInput(f"pedal: key {key}: button {button}; allowed: 0..15")


def check_meanings(keys: Mapping[str, int], buttons: PedalButtons) -> None:
    """Raises BadInput when a key would be pressed in vain, and when none takes over: both would be noticed only when
    they are needed."""
    meanings = buttons.meanings
    for key, button in keys.items():
        if button not in meanings:
            allowed = ", ".join(f"{number} {meanings[number]}" for number in sorted(meanings))
            raise BadInput(
                f"hardware.yaml: pedal: key {key}: button {button} means nothing in rig.yaml; allowed: {allowed}"
            )
    if buttons.takeover is not None and buttons.takeover not in keys.values():
        allowed = f"a key for {buttons.takeover}, or takeover: null in rig.yaml where nobody ever takes over"
        raise BadInput(f"hardware.yaml: pedal: no key is button {buttons.takeover} (takeover); allowed: {allowed}")


def grab(device: int) -> None:
    """From now on nobody else gets the events: a pedal must not type into a terminal. Raises OSError."""
    fcntl.ioctl(device, EVIOCGRAB, 1)


class EvdevPedal:
    """A foot switch on ``/dev/input/by-id/...-event-kbd``, grabbed. Other keys than those named mean nothing."""

    def __init__(self, path: str, keys: Mapping[str, int]) -> None:
        """``keys``: key name -> button. Raises BadInput on a wrong key, Fault when there is no such input device."""
        check_keys(keys)
        self._buttons = {KEYS[key]: button for key, button in keys.items()}
        self._name = path
        self._held: set[int] = set()
        self._tail = b""
        self._file = -1
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self._take()
        except OSError as error:
            self.close()
            cause = {
                errno.ENOTTY: "it is not an input device",
                errno.EBUSY: "another program has grabbed it",
                errno.EACCES: "no permission; is your user in the group that owns it (input)?",
            }.get(error.errno or 0, in_words(error))
            raise Fault(f"pedal on {path}: cannot open: {cause}") from None

    def _take(self) -> None:
        grab(self._file)

    def events(self, wait_s: float = 0.0) -> list[PedalEvent]:
        """The edges since the last call, oldest first; waits up to ``wait_s`` for one. Raises Fault when lost."""
        deadline_s = time.monotonic() + wait_s
        while True:
            edges = [
                edge for kind, code, value in self._received(deadline_s) for edge in self._edges(kind, code, value)
            ]
            if edges or time.monotonic() >= deadline_s:
                return edges

    def close(self) -> None:
        """Gives the device back to everybody (the kernel ends the grab)."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _received(self, deadline_s: float) -> Iterator[tuple[int, int, int]]:
        """(type, code, value) of every whole event that came before the deadline."""
        select.select([self._file], [], [], max(0.0, deadline_s - time.monotonic()))
        raw = None
        try:
            with contextlib.suppress(BlockingIOError):
                raw = os.read(self._file, EVENT.size * 64)
        except OSError as error:
            raise Fault(f"pedal on {self._name}: lost: {in_words(error)}") from None
        if raw == b"":
            raise Fault(f"pedal on {self._name}: lost: its events ended")
        self._tail += raw or b""
        whole = len(self._tail) // EVENT.size * EVENT.size
        events, self._tail = self._tail[:whole], self._tail[whole:]
        yield from ((kind, code, value) for _, _, kind, code, value in EVENT.iter_unpack(events))

    def _edges(self, kind: int, code: int, value: int) -> list[PedalEvent]:
        now_ns = time.time_ns()
        if kind == EV_SYN and code == SYN_DROPPED:
            # The kernel's buffer overflowed: what is held is not known any more, so nothing is.
            lost, self._held = sorted(self._held), set()
            return [PedalEvent(button, False, now_ns) for button in lost]
        button = self._buttons.get(code) if kind == EV_KEY else None
        # A key that repeats is no edge, nor is the release of one held since before.
        if button is None or value not in (UP, DOWN) or (value == DOWN) == (button in self._held):
            return []
        (self._held.add if value == DOWN else self._held.discard)(button)
        return [PedalEvent(button, value == DOWN, now_ns)]
