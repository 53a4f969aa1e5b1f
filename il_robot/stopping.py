"""Ctrl-C, SIGTERM and a closed terminal as a question the loop asks between steps, so that nothing stops half-way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from il_robot.leaving import stop_signals


class StopRequest:
    """While entered, the first Ctrl-C, SIGTERM or SIGHUP only sets :attr:`asked`; a second Ctrl-C interrupts at once.

    ``also`` are signals that ask so, too. Where SIGHUP is ignored (``nohup``) it stays so. ``answer`` is a line for
    who asked, where it may take a while until the loop hears of it.
    """

    def __init__(self, *also: signal.Signals, answer: str = "") -> None:
        self.asked = False
        self._also = also
        self._answer = answer
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (*stop_signals(), *self._also):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._answer and not self.asked and sys.stderr is not None:  # else the number may be another file's
            with suppress(OSError):  # of a terminal that was closed
                os.write(2, f"\n{self._answer}\n".encode())  # print may be half-way through another line right now
        self.asked = True
