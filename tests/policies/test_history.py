"""What a policy remembers when it drives is what it was shown in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.errors import BadInput
from il_robot.policies.history import History, Moment, past
from il_robot.policies.inputs import CameraInput, Inputs

PERIOD = 20_000_000
START = 1_700_000_000_000_000_000


def moment(step: int) -> Moment:
    return Moment(np.array([step], np.float32), {"top": np.full((2, 2, 3), step, np.uint8)})


def inputs(history: int, frames: int) -> Inputs:
    return Inputs(("a",), (), (CameraInput("top", 2, 2, frames),), history)


@given(st.integers(1, 6), st.integers(0, 15), st.data())
def test_driving_shows_the_moments_of_training(history: int, last: int, data: st.DataObject) -> None:
    frames = data.draw(st.integers(1, history))
    jitter = data.draw(st.lists(st.integers(-PERIOD // 5, PERIOD // 5), min_size=last + 1, max_size=last + 1))
    kept = History(inputs(history, frames), PERIOD)
    for step in range(last + 1):
        kept.add(START + step * PERIOD + jitter[step], moment(step))
    trained = past(np.array([last]), np.array([0]), history)[0].tolist()
    assert kept.state().tolist() == trained
    image = kept.images()["top"]
    assert image.shape == inputs(history, frames).cameras[0].shape
    assert np.unique(image).tolist() == sorted(set(trained[-frames:]))


def test_a_lost_moment_shifts_nothing_and_a_repeated_one_counts_once() -> None:
    kept = History(inputs(4, 1), PERIOD)
    for step in (0, 1, 1, 4):
        kept.add(START + step * PERIOD, moment(step))
    assert kept.state().tolist() == [1, 1, 1, 4]


def test_after_clearing_or_when_time_runs_back_it_begins_anew() -> None:
    kept = History(inputs(3, 1), PERIOD)
    for step in (5, 6):
        kept.add(START + step * PERIOD, moment(step))
    kept.add(START, moment(0))
    assert kept.state().tolist() == [0, 0, 0]
    kept.clear()
    kept.add(START + PERIOD, moment(1))
    assert kept.state().tolist() == [1, 1, 1]


@pytest.mark.parametrize(("history", "frames"), [(0, 1), (1001, 1), (2, 3), (2, 0)])
def test_impossible_histories_are_refused(history: int, frames: int) -> None:
    with pytest.raises(BadInput, match="allowed: 1 to"):
        inputs(history, frames)
