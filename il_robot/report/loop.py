"""How well the control loop kept its time, from the stamps of the recorded steps.

Axes: T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.reader import Episode

LATE_MS = 10.0
"""A tick later than this counts as late."""


@dataclass(frozen=True)
class LoopTiming:
    """The ticks of several real-time episodes together."""

    episodes: int
    ticks: int
    late: int
    """More than :data:`LATE_MS` after their deadline."""
    missed: int
    """Deadlines within an episode that no tick kept."""
    p50_ms: float
    """Lateness: the median, its 99th percentile, its largest."""
    p99_ms: float
    max_ms: float
    period_p99_ms: float
    """99th percentile of the absolute error of the time between two steps."""


def real_time(episodes: Sequence[Episode]) -> list[Episode]:
    """Those whose stamps were measured by the computer's clock, and that have steps."""
    return [e for e in episodes if e.info.clock == "system" and not e.info.synthetic_stamps and e.steps]


def period_ns(episode: Episode) -> int:
    return round(1e9 / episode.info.fps)


def deadlines(episode: Episode) -> NDArray[np.int64]:
    """(T,) the number of the deadline that each step kept.

    Control ticks half a period after every whole period of its clock. No two steps share a deadline: where they
    seem to, the earlier one kept an earlier deadline, late.
    """
    period = period_ns(episode)
    seeming = (episode.step_ns - period // 2) // period
    order = np.arange(episode.steps)
    latest: NDArray[np.int64] = np.minimum.accumulate((seeming - order)[::-1])[::-1] + order
    return latest


def lateness_ms(episode: Episode) -> NDArray[np.float64]:
    """(T,) how long after its deadline each step began [ms]."""
    period = period_ns(episode)
    late: NDArray[np.float64] = (episode.step_ns - deadlines(episode) * period - period // 2) / 1e6
    return late


def period_errors_ms(episode: Episode) -> NDArray[np.float64]:
    """(T - 1,) time between two steps less the nominal period [ms]."""
    errors: NDArray[np.float64] = (np.diff(episode.step_ns) - period_ns(episode)) / 1e6
    return errors


def measure_loop(episodes: Sequence[Episode]) -> LoopTiming | None:
    """The timing of the real-time ones among ``episodes``; None when there are none."""
    chosen = real_time(episodes)
    if not chosen:
        return None
    late = np.concatenate([lateness_ms(episode) for episode in chosen])
    errors = np.abs(np.concatenate([period_errors_ms(episode) for episode in chosen]))
    p50, p99 = np.percentile(late, [50, 99])
    return LoopTiming(
        episodes=len(chosen),
        ticks=len(late),
        late=int((late > LATE_MS).sum()),
        missed=sum(int((np.diff(deadlines(episode)) - 1).sum()) for episode in chosen),
        p50_ms=float(p50),
        p99_ms=float(p99),
        max_ms=float(late.max()),
        period_p99_ms=float(np.percentile(errors, 99)) if len(errors) else 0.0,
    )
