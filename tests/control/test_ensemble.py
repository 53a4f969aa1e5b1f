"""Chunk execution against the formula written out once more, as loops over a table of predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.control.ensemble import Ensemble, OpenLoop, interpolate
from il_robot.errors import BadInput
from il_robot.types import ActionChunk, Floats

PERIOD = 20_000_000
START = 1_700_000_000_000_000_000
JOINTS = 3


def chunk_at(step: int, k: int, seed: int = 0) -> ActionChunk:
    rng = np.random.default_rng([seed, step])
    return ActionChunk(rng.normal(size=(k, JOINTS)).astype(np.float32), START + step * PERIOD, PERIOD)


def act_formula(predictions: dict[int, ActionChunk], t: int, k: int, m: float) -> list[float] | None:
    """ACT's table all_time_actions[predicted at, for], filled cell by cell, averaged down the column of t."""
    column = {made: chunk.qpos[t - made] for made, chunk in predictions.items() if 0 <= t - made < k}
    if not column:
        return None
    oldest = min(column)
    weights = {made: math.exp(-m * (made - oldest)) for made in column}
    return [
        sum(weights[made] * float(column[made][joint]) for made in column) / sum(weights.values())
        for joint in range(JOINTS)
    ]


@settings(deadline=None)
@given(
    k=st.integers(1, 12),
    m=st.floats(-2, 2),
    made=st.sets(st.integers(0, 30)),
    late=st.integers(0, 3),
)
def test_the_formula_of_the_paper_with_any_predictions_missing_or_late(
    k: int, m: float, made: set[int], late: int
) -> None:
    ensemble = Ensemble(JOINTS, k, m)
    predictions: dict[int, ActionChunk] = {}
    for t in range(35):
        if t - late in made:
            predictions[t - late] = chunk_at(t - late, k)
            ensemble.add(predictions[t - late])
        given_, expected = ensemble.at(START + t * PERIOD), act_formula(predictions, t, k, m)
        if expected is None:
            assert given_ is None
        else:
            assert given_ is not None and given_.dtype == np.float32
            np.testing.assert_allclose(given_, expected, rtol=1e-4, atol=1e-5)


def test_predictions_that_agree_are_followed_exactly_and_missing_ones_shift_nothing() -> None:
    """Every chunk says the same about a moment, so which are missing must not be seen."""

    def wanted(t: float) -> Floats:
        return np.array([math.sin(t / 5), t / 10, -t / 7], np.float32)

    ensemble = Ensemble(JOINTS, 10)
    for t in range(40):
        if t % 3 == 0 or 11 < t < 15:
            rows = np.array([wanted(t + i) for i in range(10)])
            ensemble.add(ActionChunk(rows, START + t * PERIOD, PERIOD))
        action = ensemble.at(START + t * PERIOD)
        assert action is not None
        np.testing.assert_allclose(action, wanted(t), atol=1e-5)


@pytest.mark.parametrize("m", [-50.0, 50.0])
def test_an_extreme_weight_is_the_newest_or_the_oldest(m: float) -> None:
    ensemble = Ensemble(JOINTS, 100, m)
    chunks = [chunk_at(step, 100) for step in range(60)]
    for chunk in chunks:
        ensemble.add(chunk)
    action = ensemble.at(START + 60 * PERIOD)
    chosen = chunks[-1].qpos[1] if m < 0 else chunks[0].qpos[60]
    assert action is not None
    np.testing.assert_allclose(action, chosen, rtol=1e-5)


@given(st.integers(1, 6), st.integers(-3 * PERIOD, 8 * PERIOD))
def test_between_rows_is_linear_and_outside_is_nothing(k: int, offset_ns: int) -> None:
    chunk = chunk_at(0, k)
    action = interpolate(chunk, START + offset_ns)
    if not 0 <= offset_ns < k * PERIOD:
        assert action is None
        return
    grid = np.minimum(offset_ns / PERIOD, k - 1)
    expected = [np.interp(grid, np.arange(k), chunk.qpos[:, joint]) for joint in range(JOINTS)]
    assert action is not None and action.dtype == np.float32
    np.testing.assert_allclose(action, expected, atol=1e-5)


def test_open_loop_follows_a_chunk_and_then_the_newest() -> None:
    execution = OpenLoop(execute=3)
    chunks = {step: chunk_at(step, 5) for step in range(12)}
    for t in range(12):
        execution.add(chunks[t])
        action = execution.at(START + t * PERIOD)
        assert action is not None
        np.testing.assert_array_equal(action, chunks[t - t % 3].qpos[t % 3])


def test_open_loop_goes_on_to_the_end_when_nothing_newer_comes_and_then_has_nothing() -> None:
    execution, chunk = OpenLoop(execute=3), chunk_at(0, 5)
    execution.add(chunk)
    said = [execution.at(START + t * PERIOD) for t in range(7)]
    np.testing.assert_array_equal(np.array(said[:5]), chunk.qpos)
    assert said[5:] == [None, None]


def test_open_loop_asked_for_more_steps_than_a_chunk_has_ends_with_the_chunk() -> None:
    execution = OpenLoop(execute=100)
    for t in range(20):
        execution.add(chunk_at(t, 5))
        action = execution.at(START + t * PERIOD)
        assert action is not None, f"nothing to follow at step {t}"
        np.testing.assert_array_equal(action, chunk_at(t - t % 5, 5).qpos[t % 5])


@pytest.mark.parametrize("execution", [Ensemble(JOINTS, 5), OpenLoop(5)])
def test_nothing_survives_clearing(execution: Ensemble | OpenLoop) -> None:
    assert execution.at(START) is None
    execution.add(chunk_at(0, 5))
    assert execution.at(START) is not None
    execution.clear()
    assert execution.at(START) is None


def test_a_chunk_of_other_joints_and_sizes_below_one_are_refused() -> None:
    with pytest.raises(BadInput, match=r"allowed: \(k, 3\)"):
        Ensemble(JOINTS, 5).add(ActionChunk(np.zeros((5, 4), np.float32), START, PERIOD))
    for m in (float("nan"), -1e300):
        with pytest.raises(BadInput, match=r"m .*; allowed: -100 to 100"):
            Ensemble(3, 5, m)
    with pytest.raises(BadInput, match="at least 1"):
        Ensemble(JOINTS, 0)
    with pytest.raises(BadInput, match="at least 1 step"):
        OpenLoop(0)
