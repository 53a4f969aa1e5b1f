"""Zeros, signs and lags found again from data made with known ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.capture import fit_joint, hold_still
from calibration.joint import RAD_PER_TICK, JointCalibration
from calibration.latency import WITHIN_S, ComputerBusy, find_lag, motion
from il_robot.errors import BadInput, Fault


@given(
    zero=st.floats(1024, 3072),
    sign=st.sampled_from([1, -1]),
    angles=st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=5).filter(lambda a: max(a) - min(a) > 0.6),
    turns=st.integers(-1, 1),
)
def test_zero_and_sign_are_found_again(zero: float, sign: int, angles: list[float], turns: int) -> None:
    held = np.array(angles)
    ticks = np.rint(zero + sign * held / RAD_PER_TICK) + 4096 * turns
    fit = fit_joint("elbow", ticks, held, JointCalibration())
    assert fit.calibration.sign == sign
    assert fit.calibration.zero_ticks == pytest.approx(zero, abs=1)
    assert fit.residual_rad < 2 * RAD_PER_TICK


@pytest.mark.parametrize("sign", [1, -1])
def test_a_joint_the_poses_do_not_move_keeps_its_sign(sign: int) -> None:
    fit = fit_joint("shoulder", np.array([2000.0, 2001.0]), np.zeros(2), JointCalibration(2048, sign))
    assert (fit.calibration.sign, fit.calibration.zero_ticks, fit.sign_proven) == (sign, 2000.5, False)


def test_a_wrong_pose_is_refused() -> None:
    with pytest.raises(BadInput, match=r"elbow: the poses disagree by 0\.\d+ rad .* held as asked"):
        fit_joint("elbow", np.array([2048.0, 2600.0]), np.array([0.0, math.pi / 2]), JointCalibration())


def test_a_moving_or_silent_arm_is_refused() -> None:
    moving = iter(np.arange(100)[:, None] * [1.0, 0.0])
    with pytest.raises(BadInput, match="waist moved by 24 ticks"):
        hold_still(lambda: next(moving), ["waist", "elbow"])
    with pytest.raises(Fault, match="got lost"):
        hold_still(lambda: None, ["waist"])
    assert hold_still(lambda: np.array([7.0]), ["waist"]).tolist() == [7.0]


def wander(seconds: np.ndarray) -> np.ndarray:
    """A target that never repeats."""
    return np.sin(3.1 * seconds) + 0.7 * np.sin(7.7 * seconds + 1) + 0.4 * np.sin(13.3 * seconds + 2)


@settings(max_examples=12, deadline=None)
@given(
    lag_s=st.floats(-0.1, 0.3),
    scale=st.sampled_from([-300.0, 0.01, 50.0]),
    rates=st.sampled_from([(50, 30), (50, 60), (200, 15)]),
    seed=st.integers(0, 99),
)
def test_the_lag_is_found_to_a_few_milliseconds(lag_s: float, scale: float, rates: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    ours_s = np.arange(0, 6, 1 / rates[0])
    theirs_s = np.sort(
        np.arange(0.1, 5.5, 1 / rates[1]) + random.normal(0, 0.002, len(np.arange(0.1, 5.5, 1 / rates[1])))
    )
    theirs = scale * (wander(theirs_s - lag_s) + random.normal(0, 0.02, len(theirs_s))) + 5
    found = find_lag(((ours_s * 1e9).astype(np.int64), wander(ours_s)), ((theirs_s * 1e9).astype(np.int64), theirs))
    assert found.seconds == pytest.approx(lag_s, abs=0.006)
    assert found.correlation > 0.95
    assert found.within_s < 0.02


def test_streams_that_do_not_resemble_or_barely_overlap_are_refused() -> None:
    times_s = np.arange(0, 6, 0.02)
    times_ns = (times_s * 1e9).astype(np.int64)
    noise = np.random.default_rng(0).normal(size=len(times_s))
    with pytest.raises(BadInput, match="resemble each other by"):
        find_lag((times_ns, wander(times_s)), (times_ns, noise))
    with pytest.raises(BadInput, match="resemble each other by 0"):
        find_lag((times_ns, wander(times_s)), (times_ns, np.zeros(len(times_s))))
    with pytest.raises(BadInput, match=r"overlap for 1\.\d s"):
        find_lag((times_ns, wander(times_s)), (times_ns + 4_900_000_000, wander(times_s)))


def sampled(times_s: np.ndarray, late_s: float) -> tuple[np.ndarray, np.ndarray]:
    """How fast a target moves that is seen at these times, ``late_s`` late, by a camera that knows only differences."""
    moved = np.abs(np.diff(np.stack([wander(times_s - late_s), wander(1.3 * (times_s - late_s))]), axis=1)).sum(axis=0)
    return motion((times_s * 1e9).astype(np.int64), moved)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), lag_s=st.floats(-0.05, 0.1))
def test_a_stream_that_stops_now_and_then_is_compared_where_it_does_not(seed: int, lag_s: float) -> None:
    random = np.random.default_rng(seed)
    arm_s, images_s = np.arange(0, 10, 0.01), np.arange(0, 10, 0.02)
    for begin in random.uniform(0, 9.5, 5):
        images_s = images_s[(images_s < begin) | (images_s > begin + 0.4)]
        arm_s = arm_s[(arm_s < begin + 0.2) | (arm_s > begin + 0.5)]
    found = find_lag(sampled(arm_s, 0.0), sampled(images_s, lag_s))
    assert found.seconds == pytest.approx(lag_s, abs=0.001)
    assert found.within_s <= WITHIN_S, "parts with holes may say less than the whole does"


def test_a_recording_full_of_holes_says_that_the_computer_is_too_busy() -> None:
    busy_s = np.concatenate([np.arange(0, 0.3, 0.02) + begin for begin in np.arange(0, 10, 0.7)])
    with pytest.raises(ComputerBusy, match=r"the computer was too busy: in \d.\d of \d.\d s only"):
        find_lag(sampled(np.arange(0, 10, 0.01), 0.0), sampled(busy_s[(busy_s % 1.4) < 0.3], 0.0))


def test_parts_that_disagree_are_no_lag() -> None:
    times_s = np.arange(0, 10, 0.02)
    late_s = np.where(times_s < 6, 0.02, 0.09)
    with pytest.raises(BadInput, match="parts of the recording say"):
        find_lag(
            sampled(times_s, 0.0),
            ((times_s * 1e9).astype(np.int64), np.interp(times_s - late_s, times_s, rate_of(times_s))),
        )


def rate_of(times_s: np.ndarray) -> np.ndarray:
    grid_ns, rate = sampled(times_s, 0.0)
    return np.interp(times_s, grid_ns / 1e9, rate)
