"""How sure a figure is: 95 % confidence intervals of a share and of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev

from il_robot.errors import BadInput

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """How many of how many, with a 95 % confidence interval."""

    count: int
    of: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        return self.count / self.of


@dataclass(frozen=True)
class Mean:
    """The mean of a few values, with a 95 % confidence interval."""

    mean: float
    deviation: float
    """Standard deviation of the values."""
    low: float
    high: float


def share(count: int, of: int, confidence: float = CONFIDENCE) -> Share:
    """The Wilson score interval (Wilson 1927) of a binomial share."""
    if not 0 <= count <= of or of < 1:
        raise BadInput(f"share: {count} of {of}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = count / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    # At 0 and 1 the bound is the share itself; rounding would put it a hair beyond.
    return Share(count, of, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)))


def mean_of(values: Sequence[float]) -> Mean:
    """Student's t interval (Student 1908) of the mean of two or more values."""
    if len(values) < 2:
        raise BadInput(f"an interval of a mean needs two values or more, not {len(values)}")
    middle, deviation = mean(values), stdev(values)
    half = _t_quantile(len(values) - 1) * deviation / math.sqrt(len(values))
    return Mean(middle, deviation, middle - half, middle + half)


def _t_quantile(freedom: int) -> float:
    """The t within which CONFIDENCE of Student's distribution lies on either side of 0."""
    low, high = 0.0, 1.0
    while _t_within(high, freedom) < CONFIDENCE:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def _t_within(t: float, freedom: int) -> float:
    """The probability of [-t, t] (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(odd, freedom - 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k + 1) / (k + 2)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
