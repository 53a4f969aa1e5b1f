"""Policies that wrap policies: whom they ask when, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.control.ensemble import Ensemble
from il_robot.control.execution import Executing, Execution
from il_robot.errors import BadInput
from il_robot.types import ActionChunk, Observation

PERIOD = 20_000_000
START = 1_700_000_000_000_000_000
K = 6


class Counting:
    """Its chunk of step t says t for every row, so an action tells which prediction it came from."""

    def __init__(self) -> None:
        self.predicted: list[int] = []
        self.observed: list[int] = []

    def predict(self, observation: Observation) -> ActionChunk:
        step = (observation.time_ns - START) // PERIOD
        self.predicted.append(step)
        return ActionChunk(np.full((K, 2), step, np.float32), observation.time_ns, PERIOD)

    def observe(self, observation: Observation) -> None:
        self.observed.append((observation.time_ns - START) // PERIOD)

    def reset(self) -> None:
        self.predicted.clear()
        self.observed.clear()


def seen(step: int) -> Observation:
    return Observation(np.zeros(2, np.float32), START + step * PERIOD)


def driven(how: Execution, steps: int) -> tuple[Counting, list[float]]:
    policy = Counting()
    wrapped = Executing(policy, how.build(2, K), how.every(K))
    chunks = [wrapped.predict(seen(step)) for step in range(steps)]
    assert all(chunk.qpos.shape == (1, 2) and chunk.start_ns == seen(t).time_ns for t, chunk in enumerate(chunks))
    return policy, [float(chunk.qpos[0, 0]) for chunk in chunks]


@given(st.integers(1, 9), st.integers(1, 30))
def test_a_receding_horizon_follows_each_chunk_for_so_many_steps(execute: int, steps: int) -> None:
    policy, came_from = driven(Execution("receding", execute=execute), steps)
    each = min(execute, K)
    assert came_from == [t - t % each for t in range(steps)]
    assert policy.predicted == sorted(set(came_from))
    assert sorted(policy.predicted + policy.observed) == list(range(steps)), "a policy with a history misses nothing"


def test_an_open_loop_follows_each_chunk_to_its_end() -> None:
    assert driven(Execution("chunk"), 14)[1] == [0] * K + [K] * K + [2 * K] * 2


@given(st.floats(0, 5), st.integers(0, 12))
def test_the_ensemble_prefers_whom_it_is_told_to(m: float, last: int) -> None:
    policy, came_from = driven(Execution("ensemble", m=m), last + 1)
    reaching = np.arange(max(0, last - K + 1), last + 1)
    weights = np.exp(-m * np.arange(len(reaching)))
    assert policy.predicted == list(range(last + 1))
    assert came_from[-1] == pytest.approx(weights @ reaching / weights.sum(), rel=1e-4, abs=1e-4)
    newest = driven(Execution("ensemble", m=m, prefer="newest"), last + 1)[1]
    assert newest[-1] == pytest.approx(weights[::-1] @ reaching / weights.sum(), rel=1e-4, abs=1e-4)


def test_wrapped_twice_it_still_is_a_policy_and_resetting_reaches_the_innermost() -> None:
    policy = Counting()
    wrapped = Executing(Executing(policy, Execution("chunk").build(2, K), K), Execution("chunk").build(2, 1))
    assert [float(wrapped.predict(seen(t)).qpos[0, 0]) for t in range(8)] == [0] * K + [K] * 2
    wrapped.observe(seen(8))
    assert policy.observed[-1] == 8
    wrapped.reset()
    assert (policy.predicted, policy.observed) == ([], [])
    assert float(wrapped.predict(seen(9)).qpos[0, 0]) == 9


def test_where_no_chunk_reaches_there_is_no_action() -> None:
    wrapped = Executing(Counting(), Ensemble(2, 1), every=100)
    lengths = [len(wrapped.predict(seen(t)).qpos) for t in range(K + 2)]
    assert lengths == [1] * K + [0, 0]


def test_an_action_of_zeros_counts_like_any_other() -> None:
    ensemble = Ensemble(1, 4, 0.0)
    for value in (0.0, 3.0):
        ensemble.add(ActionChunk(np.full((4, 1), value, np.float32), START, PERIOD))
    action = ensemble.at(START)
    assert action is not None and action[0] == 1.5


def test_the_ring_keeps_the_newest_chunks_of_any_lengths() -> None:
    ensemble = Ensemble(1, 2, 0.0)
    for length, value in ((5, 100.0), (2, 1.0), (7, 3.0)):
        ensemble.add(ActionChunk(np.full((length, 1), value, np.float32), START, PERIOD))
    said = [ensemble.at(START + t * PERIOD) for t in range(8)]
    assert [None if action is None else float(action[0]) for action in said] == [2, 2, 3, 3, 3, 3, 3, None]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"how": "ensembel"}, "execution 'ensembel'; did you mean 'ensemble'"),
        ({"prefer": "new"}, "prefer 'new'; .*allowed: newest, oldest"),
        ({"m": -0.1}, "m -0.1; allowed: 0 to 100"),
        ({"m": float("nan")}, "m nan; allowed"),
        ({"execute": 0}, "execute 0; allowed: 1 to"),
    ],
)
def test_wrong_settings_are_one_line(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Execution(**wrong)  # type: ignore[arg-type]
