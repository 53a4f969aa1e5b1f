"""Whether the computer is too busy for what it measures, and the cure for that."""

from __future__ import annotations

import os
from dataclasses import dataclass

from il_robot.control.rate import Clock, DeadlineLoop

TICK_HZ = 50
LATE_SHARE = 0.05
"""A computer that wakes more often than so more than half a period late cannot judge a camera's rate."""
QUEUE_PER_CORE = 1.5
"""Programs that want a core at the same time, for each core."""
CURE = "close other programs (top shows which are busiest)"


@dataclass(frozen=True)
class ComputerLoad:
    """How busy the computer was."""

    queue: float
    """The load average of the last minute."""
    cores: int
    late_share: float
    """Of ticks at 50 Hz: more than half a period late, or left out."""

    @property
    def busy(self) -> bool:
        return self.late_share > LATE_SHARE or self.queue > QUEUE_PER_CORE * self.cores

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' * (self.cores > 1)}"
        return f"load {self.queue:.1f} on {cores}, {self.late_share:.0%} of the ticks of a clock late"


def watch_load(seconds: float, clock: Clock) -> ComputerLoad:
    """Sleeps for so long, and looks meanwhile how late this computer wakes."""
    loop, ticks = DeadlineLoop(clock, round(1e9 / TICK_HZ)), max(1, round(seconds * TICK_HZ))
    until_ns = clock.now_ns() + round(seconds * 1e9)
    while clock.now_ns() < until_ns:
        loop.wait()
    kept = loop.lateness()
    return ComputerLoad(os.getloadavg()[0], len(os.sched_getaffinity(0)), min(1.0, (kept.late + kept.missed) / ticks))
