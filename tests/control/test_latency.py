"""Percentiles of durations, over the newest of them."""

from __future__ import annotations

from il_robot.control.latency import KEPT, Latencies


def test_nothing_added_is_nothing_told() -> None:
    assert Latencies().milliseconds("x") == {}


def test_percentiles_are_of_the_newest_in_milliseconds() -> None:
    latencies = Latencies()
    latencies.add(10**12)
    for ms in range(1, KEPT + 1):
        latencies.add(ms * 1_000_000)
    told = latencies.milliseconds("wire")
    assert told == {"wire_p50_ms": 750.5, "wire_p99_ms": 1485.01, "wire_max_ms": 1500.0}
