"""The deadline loop: ticks at absolute times, so an error never adds up, and says how well it kept them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from il_robot.control.latency import KEPT, in_milliseconds

SWITCH_S = 0.0005
"""How long one thread may keep the interpreter while another one waits. Python's 5 ms are a quarter of a tick."""


class Clock(Protocol):
    """What a loop needs of time: the computer's clock, or a simulator's."""

    def now_ns(self) -> int:
        """Now [ns]."""
        ...

    def sleep_until(self, time_ns: int) -> bool:
        """Sleep until then. False when woken because everything stops."""
        ...


class SystemClock:
    """The computer's clock. It sleeps on the monotonic clock, so a corrected date never stretches a tick."""

    def now_ns(self) -> int:
        return time.time_ns()

    def sleep_until(self, time_ns: int) -> bool:
        left_ns = time_ns - time.time_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        return True


@dataclass(frozen=True)
class Lateness:
    """How late ticks were, in milliseconds, over the last ``ticks`` of them."""

    ticks: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    late: int
    """Ticks more than half a period late, since the start."""
    missed: int
    """Deadlines that passed without a tick, since the start."""
    period_ms: Mapping[str, float]
    """``p50``, ``p99`` and ``max`` of the time between two ticks; empty before the second."""


class DeadlineLoop:
    """Ticks at ``phase_ns + n * period_ns`` of its clock, n an integer.

    Two loops with the same period and different phases therefore keep their order without talking: a rig
    captures at phase 0 and control ticks half a period later, in any process.
    """

    def __init__(self, clock: Clock, period_ns: int, phase_ns: int = 0) -> None:
        self._clock = clock
        self._period_ns = period_ns
        self._phase_ns = phase_ns
        self._deadline_ns: int | None = None
        self._lateness_ns: deque[int] = deque(maxlen=KEPT)
        self._periods_ns: deque[int] = deque(maxlen=KEPT)
        self._ticked_ns: int | None = None
        self._late = 0
        self._missed = 0

    def wait(self) -> int | None:
        """Sleep until the next deadline and return it [ns]; None when everything stops.

        After an overrun the loop goes on with the next deadline that lies ahead; those passed are counted.
        """
        now_ns = self._clock.now_ns()
        ahead = (now_ns - self._phase_ns) // self._period_ns + 1
        deadline_ns = ahead * self._period_ns + self._phase_ns
        if self._deadline_ns is not None:
            planned_ns = self._deadline_ns + self._period_ns
            # A tick whose work ran a little over its period starts at once instead of being skipped.
            # One that woke a little early (the date is being slewed) is not ticked twice.
            if planned_ns <= now_ns < planned_ns + self._period_ns or deadline_ns == self._deadline_ns:
                deadline_ns = planned_ns
            self._missed += max(0, (deadline_ns - planned_ns) // self._period_ns)
        self._deadline_ns = deadline_ns
        if not self._clock.sleep_until(deadline_ns):
            return None
        ticked_ns = self._clock.now_ns()
        if self._ticked_ns is not None:
            self._periods_ns.append(ticked_ns - self._ticked_ns)
        self._ticked_ns = ticked_ns
        late_ns = ticked_ns - deadline_ns
        self._lateness_ns.append(late_ns)
        self._late += late_ns > self._period_ns // 2
        return deadline_ns

    def lateness(self) -> Lateness:
        """How well it kept its deadlines. Safe to ask from another thread."""
        late = in_milliseconds(self._lateness_ns) or dict.fromkeys(("p50", "p99", "max"), 0.0)
        return Lateness(
            ticks=len(self._lateness_ns),
            p50_ms=late["p50"],
            p99_ms=late["p99"],
            max_ms=late["max"],
            late=self._late,
            missed=self._missed,
            period_ms=in_milliseconds(self._periods_ns),
        )
