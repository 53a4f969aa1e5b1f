from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.training.amounts import loss_interval_text, loss_text, time_interval_text, time_text


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.05, "0.05000"), (-3.1, "-3.100"), (189.28, "189.3"), (1234.0, "1234"), (0.0, "0.000"), (2e-7, "2.000e-07")],
)
def test_losses_are_told_with_four_digits(value: float, told: str) -> None:
    assert loss_text(value) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04, "0.040 s"),
        (9.3, "9.3 s"),
        (45, "45 s"),
        (59.9, "60 s"),
        (90, "1.5 min"),
        (445, "7.4 min"),
        (9000, "2.5 h"),
    ],
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, told: str) -> None:
    assert time_text(seconds) == told


@pytest.mark.parametrize(
    ("mean", "half", "told"),
    [
        (0.05, 0.02015, "0.050 ± 0.020"),
        (0.0191, 0.261, "0.02 ± 0.26"),
        (260.3, 12.1, "260 ± 12"),
        (-3.1, 0.004, "-3.1000 ± 0.0040"),
        (0.05, 1e-9, "0.0500000 ± 0.0000000"),
        (0.05, 0.0, "0.05 ± 0"),
        (1e300, 1e299, "1e+300 ± 1e+299"),
    ],
)
def test_a_mean_is_as_exact_as_its_interval(mean: float, half: float, told: str) -> None:
    assert loss_interval_text(mean, half) == told


def test_an_interval_of_a_time_has_one_unit() -> None:
    assert time_interval_text(427, 41) == "7.12 ± 0.68 min"


@given(st.floats(1e-4, 9e5), st.floats(1e-12, 9e5))
def test_both_have_as_many_decimals(mean: float, half: float) -> None:
    first, _, second = loss_interval_text(mean, half).partition(" ± ")
    assert len(first.partition(".")[2]) == len(second.partition(".")[2])
