"""What the fault benchmark's parts hand over: how long each fault took until the rig did what docs/safety.md says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

PATIENCE_S = 60.0
"""Longer than anything measured here may take: after that it did not happen."""


@dataclass(frozen=True)
class Times:
    """One fault, provoked several times."""

    fault: str
    until: str
    """What ended the time."""
    promised_s: float
    """docs/safety.md: within how long."""
    seconds: tuple[float, ...]

    @property
    def line(self) -> str:
        """For the table on the screen."""
        times = f"{statistics.median(self.seconds):7.3f} {max(self.seconds):7.3f}"
        kept = "" if max(self.seconds) <= self.promised_s else "  LATE"
        return f"{self.fault:52} {self.until:34} {times} {self.promised_s:7.2f} {len(self.seconds):3}{kept}"


HEAD = f"{'fault':52} {'until':34} {'median':>7} {'worst':>7} {'within':>7}   n"


def wait_until(happened: Callable[[], bool], what: str, pause_s: float = 0.001) -> float:
    """Waits, and says when it happened (``time.time()``); ends the program when it does not."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(pause_s)
    return time.time()
