"""Signals that ask a program to end; while it loads, there is nothing to put away yet, and libraries turn them into
errors of their own."""

from __future__ import annotations

import os
import signal
from typing import Any


def stop_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM, and that the terminal was closed or its connection lost, unless nohup keeps that away."""
    kept_away = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if kept_away else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave_at_once(code: int, said: str, *numbers: signal.Signals) -> dict[signal.Signals, Any]:
    """From now on these signals end the process with ``code``, ``said`` being its last words.

    Returns the handlers of before, to be put back when loading is done. For the main thread only.
    """

    def leave(*_: object) -> None:
        os.write(2, said.encode())
        os._exit(code)

    return {number: signal.signal(number, leave) for number in numbers}
