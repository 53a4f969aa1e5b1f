from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demonstrations import RIG, demonstrate
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.training.images import decode_images
from il_robot.training.sampling import which_windows
from il_robot.training.statistics import Statistics
from il_robot.training.windows import Windows, check_chunk, gather, segment_ends
from il_robot.types import Mode

STATE = Inputs(RIG.joint_names, RIG.objects)
HIGH = Inputs(RIG.joint_names, (), (CameraInput("cam_high", 12, 16),))


def corrected(t: int) -> Mode:
    """A robot until step 10, a takeover, a human until step 20, a hand back, a robot again."""
    if t in (10, 20):
        return Mode.TRANSITION
    return Mode.HUMAN if 10 < t < 20 else Mode.ROBOT


def test_a_chunk_stops_where_somebody_else_drives(tmp_path: Path) -> None:
    path = demonstrate(
        tmp_path, "corrected", 30, mode=corrected, intervention=lambda t: 1 if corrected(t) != Mode.ROBOT else 0
    )
    rows = gather([Episode(path)], STATE)
    assert rows.starts.tolist() == list(range(11, 20)), "only what the human did is imitated"
    assert set(rows.end_N[rows.starts]) == {20}
    windows = Windows(rows, {}, Statistics.of(rows.state_NS, rows.action_NJ, STATE.least_spread), 5)
    batch = windows.batch(np.arange(9))
    assert (~batch.pad_Bk).sum(1).tolist() == [5, 5, 5, 5, 5, 4, 3, 2, 1]
    assert (batch.action_BkJ[batch.pad_Bk] == 0).all()


def test_two_interventions_in_a_row_are_two() -> None:
    mode = np.full(6, Mode.HUMAN, np.int8)
    assert segment_ends(mode, np.array([1, 1, 1, 2, 2, 2], np.int32)).tolist() == [3, 3, 3, 6, 6, 6]


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_segments_are_of_one_kind_and_as_long_as_can_be(rows: list[tuple[int, int]]) -> None:
    mode, intervention = np.array(rows, np.int32).T
    for t, end in enumerate(segment_ends(mode.astype(np.int8), intervention)):
        assert t < end <= len(rows)
        assert len(set(rows[t:end])) == 1
        assert end == len(rows) or rows[end] != rows[t]


def test_actions_are_those_of_the_following_steps_and_of_no_other_episode(tmp_path: Path) -> None:
    episodes = [Episode(demonstrate(tmp_path, name, steps)) for name, steps in (("one", 7), ("two", 9))]
    rows = gather(episodes, STATE)
    plain = Statistics((0.0,) * 12, (1.0,) * 12, (0.0,) * 3, (1.0,) * 3)
    batch = Windows(rows, {}, plain, 4).batch(np.arange(16))
    for row in range(16):
        episode, t = (episodes[0], row) if row < 7 else (episodes[1], row - 7)
        valid = min(4, episode.steps - t)
        assert (~batch.pad_Bk[row]).sum() == valid
        np.testing.assert_array_equal(batch.action_BkJ[row, :valid].numpy(), episode.action[t : t + valid])
        np.testing.assert_array_equal(batch.state_BS[row, :3].numpy(), episode.qpos[t])


def test_steps_without_their_frame_begin_no_window_of_an_image_policy(tmp_path: Path) -> None:
    episode = Episode(demonstrate(tmp_path, "gaps", 12, missing=(3, 4)))
    assert gather([episode], HIGH).starts.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert len(gather([episode], STATE).starts) == 12


def test_images_arrive_at_training_resolution_with_their_steps(tmp_path: Path) -> None:
    episodes = [Episode(demonstrate(tmp_path, name, 6, missing=(2,))) for name in ("one", "two")]
    told: list[int] = []
    images = decode_images(episodes, HIGH.cameras, tmp_path, told.append)["cam_high"]
    assert images.shape == (12, 12, 16, 3)
    assert told == [5, 5]
    assert images[2].max() == images[8].max() == 0
    column = images[7].mean((0, 2)).argmax()
    assert abs(column - episodes[1].image("cam_high", 1).mean((0, 2)).argmax() / 2) <= 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".zarr", ".zarr"], "the image file leaves nothing behind"


def test_statistics_are_of_the_given_rows_and_have_a_floor() -> None:
    state = np.array([[0.0, 1.0], [2.0, 1.0]], np.float32)
    statistics = Statistics.of(state, np.array([[1.0], [1.0]], np.float32), np.float32([0.05, 0.05]))
    assert (statistics.state_mean, statistics.action_mean) == ((1.0, 1.0), (1.0,))
    assert statistics.state_std == pytest.approx((1.0, 0.05))
    assert statistics.action_std == pytest.approx((0.01,))
    action = np.array([[3.0], [-1.0]], np.float32)
    np.testing.assert_allclose(statistics.restore_action(statistics.normalise_action(action)), action, rtol=1e-6)


def test_nothing_to_imitate_is_one_line(tmp_path: Path) -> None:
    episode = Episode(demonstrate(tmp_path, "robot", 5, mode=lambda t: Mode.ROBOT))
    with pytest.raises(BadInput, match="nothing to imitate in 1 episode "):
        gather([episode], STATE)


def test_a_chunk_longer_than_every_demonstration_is_one_line(tmp_path: Path) -> None:
    rows = gather([Episode(demonstrate(tmp_path, "short", 5))], STATE)
    check_chunk(rows, 5)
    with pytest.raises(BadInput, match="chunk size 6: allowed: 1 to 5"):
        check_chunk(rows, 6)


def test_a_history_is_padded_by_its_first_moment_and_never_reaches_another_driver_or_a_gap(tmp_path: Path) -> None:
    inputs = Inputs(RIG.joint_names, (), (CameraInput("cam_high", 12, 16, 2),), history=3)
    path = demonstrate(tmp_path, "gap", 9, mode=lambda t: Mode.HUMAN if t > 4 else Mode.DEMONSTRATION, missing=(2,))
    episode = Episode(path)
    rows = gather([episode], inputs)
    plain = Statistics((0.0,) * 3, (1.0,) * 3, (0.0,) * 3, (1.0,) * 3)
    images = decode_images([episode], inputs.cameras, tmp_path)
    batch = Windows(rows, images, plain, 2, inputs=inputs).batch(np.arange(len(rows.starts)))
    expected = {0: (0, 0, 0), 1: (0, 0, 1), 3: (3, 3, 3), 4: (3, 3, 4), 5: (5, 5, 5), 6: (5, 5, 6), 7: (5, 6, 7)}
    assert set(expected) < set(rows.starts.tolist())
    for number, start in enumerate(rows.starts.tolist()):
        moments = expected.get(start, (6, 7, 8))
        np.testing.assert_array_equal(batch.state_BS[number].view(3, 3).numpy(), episode.qpos[list(moments)])
        np.testing.assert_array_equal(batch.images_BHWC["cam_high"][number], images["cam_high"][list(moments[1:])])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 50), st.integers(1, 70), st.integers(0, 5))
def test_every_epoch_sees_every_window_once(count: int, batch: int, seed: int) -> None:
    stream = np.concatenate([which_windows(count, batch, step, seed) for step in range(-(-3 * count // batch))])
    for epoch in range(3):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))
