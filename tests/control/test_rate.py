"""The deadline loop on a clock driven by hand."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.control.rate import DeadlineLoop, SystemClock

MS = 1_000_000
PERIOD = 20 * MS


@dataclass
class HandClock:
    """Time passes only when somebody sleeps or works."""

    time_ns: int = 0
    overslept_ns: int = 0
    """How much later (or, negative, earlier) than asked every sleep ends."""
    stopped: bool = False
    slept_until: list[int] = field(default_factory=list)

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until(self, time_ns: int) -> bool:
        self.slept_until.append(time_ns)
        self.time_ns = max(self.time_ns, time_ns + self.overslept_ns)
        return not self.stopped


@pytest.mark.parametrize("start_ns", [0, 7 * MS, 1_700_000_000_123_456_789])
@pytest.mark.parametrize("phase_ns", [0, 10 * MS])
def test_deadlines_are_absolute_and_on_phase(start_ns: int, phase_ns: int) -> None:
    clock = HandClock(start_ns, overslept_ns=3 * MS)
    loop = DeadlineLoop(clock, PERIOD, phase_ns)
    deadlines = []
    for _ in range(50):
        deadline_ns = loop.wait()
        assert deadline_ns is not None
        deadlines.append(deadline_ns)
        clock.time_ns += 5 * MS
    assert deadlines[0] > start_ns
    assert all(deadline % PERIOD == phase_ns for deadline in deadlines)
    assert all(b - a == PERIOD for a, b in itertools.pairwise(deadlines)), "oversleeping added up"
    said = loop.lateness()
    assert (said.ticks, said.missed, said.late) == (50, 0, 0)
    assert said.p50_ms == said.p99_ms == said.max_ms == 3.0
    assert said.period_ms == {"p50": 20.0, "p99": 20.0, "max": 20.0}


def test_two_phases_alternate() -> None:
    first, second = HandClock(5 * MS), HandClock(5 * MS)
    rig, control = DeadlineLoop(first, PERIOD), DeadlineLoop(second, PERIOD, phase_ns=PERIOD // 2)
    ticks = sorted([(rig.wait(), "rig") for _ in range(10)] + [(control.wait(), "control") for _ in range(10)])
    kinds = [kind for _, kind in ticks]
    assert kinds == ["control", "rig"] * 10


@pytest.mark.parametrize(
    ("work_ms", "next_ms", "missed"),
    [(19, 40, 0), (20, 40, 0), (25, 40, 0), (39, 40, 0), (40, 80, 2), (45, 80, 2), (60, 100, 3), (1000, 1040, 50)],
)
def test_an_overrun_starts_at_once_or_skips_and_counts(work_ms: int, next_ms: int, missed: int) -> None:
    clock = HandClock()
    loop = DeadlineLoop(clock, PERIOD)
    assert loop.wait() == PERIOD
    clock.time_ns += work_ms * MS
    assert loop.wait() == next_ms * MS
    assert loop.lateness().missed == missed


def test_a_tick_more_than_half_a_period_late_is_counted() -> None:
    clock = HandClock()
    loop = DeadlineLoop(clock, PERIOD)
    for overslept_ms in (0, 10, 11, 3, 19):
        clock.overslept_ns = overslept_ms * MS
        loop.wait()
    assert loop.lateness().late == 2
    assert loop.lateness().max_ms == 19.0


def test_waking_a_little_early_does_not_tick_twice() -> None:
    """A date that is being slewed while we sleep ends a sleep some microseconds before its time."""
    clock = HandClock(overslept_ns=-10_000)
    loop = DeadlineLoop(clock, PERIOD)
    assert [loop.wait() for _ in range(4)] == [PERIOD, 2 * PERIOD, 3 * PERIOD, 4 * PERIOD]


def test_a_clock_set_back_goes_on_from_there() -> None:
    clock = HandClock(1_000_000 * MS)
    loop = DeadlineLoop(clock, PERIOD)
    loop.wait()
    clock.time_ns = 5 * MS
    assert [loop.wait(), loop.wait()] == [PERIOD, 2 * PERIOD]
    assert loop.lateness().missed == 0


def test_stopping_ends_the_loop() -> None:
    assert DeadlineLoop(HandClock(stopped=True), PERIOD).wait() is None


@given(
    st.integers(0, 10**18),
    st.integers(0, PERIOD - 1),
    st.lists(st.tuples(st.integers(-PERIOD // 4, 3 * PERIOD), st.integers(0, 5 * PERIOD)), max_size=40),
)
def test_every_deadline_is_kept_or_counted(start_ns: int, phase_ns: int, ticks: list[tuple[int, int]]) -> None:
    clock = HandClock(start_ns)
    loop = DeadlineLoop(clock, PERIOD, phase_ns)
    first_ns = loop.wait()
    assert first_ns is not None
    before_ns = first_ns
    for overslept_ns, worked_ns in ticks:
        clock.time_ns += worked_ns
        clock.overslept_ns = overslept_ns
        deadline_ns = loop.wait()
        assert deadline_ns is not None
        assert deadline_ns > before_ns
        assert (deadline_ns - phase_ns) % PERIOD == 0
        before_ns = deadline_ns
    assert loop.lateness().missed == (before_ns - first_ns) // PERIOD - len(ticks)


def test_the_system_clock_never_sleeps_too_short() -> None:
    clock = SystemClock()
    goal_ns = clock.now_ns() + 5 * MS
    began_s = time.monotonic()
    assert clock.sleep_until(goal_ns)
    assert time.monotonic() - began_s >= 0.004
    assert clock.sleep_until(goal_ns - 1000 * MS), "a deadline in the past returns at once"
