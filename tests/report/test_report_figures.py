"""The report's figures are those of the recordings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from driven import modes_of, record
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.control.rate import DeadlineLoop
from il_robot.episodes.reader import Episode
from il_robot.report.frames import measure_cameras, skew_ms
from il_robot.report.loop import deadlines, lateness_ms, measure_loop
from il_robot.report.takeover import human_spans, latency_ticks, measure_takeovers, most_moved_joint, step_shares

MS = 1_000_000


class _Clock:
    """A computer whose sleeps last too long by given times."""

    def __init__(self, over_ns: list[int]) -> None:
        self._over_ns = list(over_ns)
        self._now_ns = 1_700_000_000_003_000_000

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until(self, time_ns: int) -> bool:
        self._now_ns = max(self._now_ns, time_ns) + self._over_ns.pop(0)
        return True


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 19 * MS), min_size=2, max_size=12))
def test_lateness_is_what_the_control_loop_itself_measured(over_ns: list[int]) -> None:
    clock = _Clock(over_ns)
    loop = DeadlineLoop(clock, 20 * MS, phase_ns=10 * MS)
    kept, ticks = [], []
    for _ in over_ns:
        kept.append(loop.wait())
        ticks.append(clock.now_ns())
    base = 1_700_000_000_000_000_000
    offsets = [tick - base - n * 20 * MS - 10 * MS for n, tick in enumerate(ticks)]
    with tempfile.TemporaryDirectory() as folder:
        episode = Episode(record(Path(folder), "one", late_ns=offsets))
        assert episode.step_ns.tolist() == ticks
        ours = [ticks[n] - round(late * MS) for n, late in enumerate(lateness_ms(episode))]
        expected = list(kept)
        # A last tick a whole period late looks like one that kept the next deadline: nothing after it tells.
        if ticks[-1] - (kept[-1] or 0) >= 20 * MS:
            expected.pop()
            ours.pop()
        assert ours[: len(expected)] == expected
        assert (np.diff(deadlines(episode)) >= 1).all()


def test_late_and_missed_ticks_are_counted_in_real_time_episodes_alone(tmp_path: Path) -> None:
    late = [0, 1 * MS, 12 * MS, 0, 11 * MS]
    real = Episode(record(tmp_path, "real", late_ns=late + [40 * MS] * 3))
    simulated = Episode(record(tmp_path, "simulated", late_ns=[15 * MS] * 4, clock="simulated"))
    timing = measure_loop([real, simulated])
    assert timing is not None
    assert (timing.episodes, timing.ticks, timing.late, timing.missed) == (1, 8, 2, 2)
    assert timing.max_ms == pytest.approx(12)
    assert measure_loop([simulated]) is None


def test_losses_ages_and_skew_of_each_camera(tmp_path: Path) -> None:
    episode = Episode(record(tmp_path, "one", late_ns=[0] * 10, lost=(3, 4)))
    high, wrist = measure_cameras([episode])
    assert (high.camera, high.steps, high.missing, high.skipped, high.lost) == ("cam_high", 10, 2, 0, 2)
    assert (wrist.missing, wrist.repeated, wrist.skipped) == (0, 0, 0)
    assert (high.age_p50_ms, wrist.age_max_ms) == (pytest.approx(8), pytest.approx(9))
    assert skew_ms([episode]) == pytest.approx(1)


@pytest.mark.parametrize(("press", "drives", "ticks"), [(10, 10, 1), (10, 12, 3)])
def test_takeover_latency_counts_from_the_press(tmp_path: Path, press: int, drives: int, ticks: int) -> None:
    modes = modes_of(30, press, drives, 20)
    episode = Episode(record(tmp_path, "one", late_ns=[0] * 30, modes=modes, jump_at=drives))
    assert human_spans(episode) == [(drives, 19)]
    assert latency_ticks(episode, drives) == ticks
    found = measure_takeovers([episode])
    assert (found.interventions, found.latency_ticks, found.successes) == (1, ticks, 1)
    assert found.human_s == pytest.approx((20 - drives) / 50)
    # A handover step as large as the limit allows; the gripper, which opens at a fifth of that speed, jumps more.
    elbow = np.abs(np.diff(episode.action[:, 1])).max() * 50 / 3
    assert elbow == pytest.approx(1, abs=1e-5)
    assert found.largest_step == pytest.approx(10)
    assert found.largest_handover_step == pytest.approx(step_shares(episode)[[drives, 20]].max())
    assert most_moved_joint(episode) == 1
