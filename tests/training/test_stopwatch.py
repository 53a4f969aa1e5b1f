from __future__ import annotations

import time

import pytest

from il_robot.training.stopwatch import Stopwatch


def test_speed_is_of_learning_without_the_first_step_and_without_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    clock = Stopwatch(0.0)

    def step(waits_s: float, learns_s: float) -> None:
        nonlocal now
        since = now
        now += waits_s
        clock.got_data(since)
        now += learns_s

    step(10.0, 60.0)
    assert clock.steps_per_s == pytest.approx(1 / 70), "there is no other yet"
    for _ in range(3):
        step(0.5, 1.5)
        with clock.between():
            now += 30.0
    assert clock.steps_per_s == pytest.approx(0.5)
    assert clock.waiting == pytest.approx(0.25)
