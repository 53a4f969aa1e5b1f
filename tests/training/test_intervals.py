from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.errors import BadInput
from il_robot.training.intervals import mean_of, share


@given(st.integers(1, 200).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_intervals_hold_their_share(count_of: tuple[int, int]) -> None:
    part = share(*count_of)
    assert 0 <= part.low <= part.rate <= part.high <= 1
    assert part.low < part.high


def test_wilsons_interval_by_hand() -> None:
    part = share(45, 50)
    assert (part.low, part.high) == pytest.approx((0.786, 0.957), abs=1e-3)


@pytest.mark.parametrize(
    ("count", "t"), [(2, 12.7062), (3, 4.3027), (4, 3.1824), (5, 2.7764), (11, 2.2281), (31, 2.0423)]
)
def test_students_interval_has_the_published_quantiles(count: int, t: float) -> None:
    values = np.arange(count, dtype=float).tolist()
    told = mean_of(values)
    assert (told.mean, told.deviation) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert told.high - told.mean == pytest.approx(t * told.deviation / np.sqrt(count), rel=1e-4)
    assert told.high - told.mean == pytest.approx(told.mean - told.low)


def test_students_interval_covers_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).normal(3, 2, (2000, 3)).tolist()
    covering = np.mean([told.low <= 3 <= told.high for told in map(mean_of, drawn)])
    assert 0.93 < covering < 0.97


def test_one_value_has_no_interval() -> None:
    with pytest.raises(BadInput, match="two values or more, not 1"):
        mean_of([0.5])
