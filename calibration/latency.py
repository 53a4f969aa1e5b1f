"""How late one stream is against another, from a target that moves in both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.errors import BadInput, Fault

STEP_S = 0.001
MIN_CORRELATION = 0.8
MIN_SPAN_S = 2.0
"""So much of both streams must be there at the same time."""
NEAR_S = 0.1
"""The parts of a recording are looked at this far around the lag of the whole."""
WITHIN_S = 0.02
"""Parts that differ by more, a frame at 50 Hz, say that the lag is not known."""
SMOOTH_S = 0.1
PAUSE = 2.6
"""Across a pause of more periods between two samples nothing is known of what moved."""
GRID_NS = 5_000_000
Numbers = NDArray[np.float64]
Signal = tuple[NDArray[np.int64], Numbers]
"""(n,) stamps [ns] and (n,) values, NaN where nothing is known."""


class ComputerBusy(Fault):
    """Too little arrived in time to say anything, whatever there was to see."""


@dataclass(frozen=True)
class Lag:
    """How much later the second stream shows what the first one showed."""

    seconds: float
    within_s: float
    """Three of four parts of the recording, each by itself, have lags that are at most so far from it."""
    correlation: float
    """1: the streams are the same but for the lag."""


def motion(stamps: NDArray[np.int64], moved: NDArray[np.floating]) -> Signal:
    """How fast it moved, every 5 ms, each over the 0.1 s around: sampling that stutters does not show in it.

    ``stamps`` (n,) [ns]; ``moved`` (n - 1,) what moved between each two of them. NaN where samples were missing.
    """
    half_ns = round(SMOOTH_S * 1e9 / 2)
    path = np.concatenate([[0.0], np.cumsum(moved)])
    grid = np.arange(stamps[0] + half_ns, stamps[-1] - half_ns, GRID_NS)
    ends = [np.interp(grid + shift - stamps[0], stamps - stamps[0], path) for shift in (half_ns, -half_ns)]
    apart = np.diff(stamps)
    paused = np.concatenate([[0], np.cumsum(apart > max(PAUSE * float(np.median(apart)), SMOOTH_S * 1e9 / 2))])
    before = np.searchsorted(stamps, grid - half_ns, side="right") - 1
    after = np.searchsorted(stamps, grid + half_ns, side="left")
    return grid, np.where(paused[after] == paused[before], ends[0] - ends[1], np.nan)


def find_lag(reference: Signal, stream: Signal, longest_s: float = 0.5) -> Lag:
    """The lag of ``stream`` (m,) behind ``reference`` (n,), each with its own stamps, by cross-correlation.

    Both are brought onto one grid of 1 ms; any scale, offset or sign between them does not matter, and what one of them
    does not know is left out. Move the target irregularly: a steady swing looks the same a period later.
    Raises BadInput when they do not resemble each other, ComputerBusy when too little of them is known.
    """
    start_ns, end_ns = max(reference[0][0], stream[0][0]), min(reference[0][-1], stream[0][-1])
    edge = round(longest_s / STEP_S)
    grid_ns = np.arange(start_ns, end_ns, round(STEP_S * 1e9))
    if len(grid_ns) < 2 * edge + MIN_SPAN_S / STEP_S:
        raise BadInput(f"the streams overlap for {max(0, end_ns - start_ns) / 1e9:.1f} s; record at least 3 s")
    ours, theirs = (np.interp(grid_ns - start_ns, at - start_ns, values) for at, values in (reference, stream))
    together_s = np.count_nonzero(np.isfinite(ours) & np.isfinite(theirs)) * STEP_S
    if together_s < MIN_SPAN_S:
        raise ComputerBusy(
            f"the computer was too busy: in {together_s:.1f} of {len(grid_ns) * STEP_S:.1f} s only did both streams "
            f"come without pauses (needed: {MIN_SPAN_S:g} s); end other programs, or watch fewer cameras at a time"
        )
    alike = _correlation(ours[edge:-edge], theirs)
    best = int(alike.argmax())
    if alike[best] < MIN_CORRELATION:
        raise BadInput(
            f"the streams resemble each other by {alike[best]:.2f} only (at least {MIN_CORRELATION}): "
            "was the target in view, and moving?"
        )
    apart = _parts_apart(ours, theirs, best - edge)
    if apart > round(WITHIN_S / STEP_S):
        raise BadInput(
            f"{best - edge} ms late, but parts of the recording say {apart} ms more or less (allowed "
            f"{1e3 * WITHIN_S:.0f}): was the target moving all the time, and irregularly? Was the computer busy?"
        )
    return Lag((best - edge) * STEP_S, apart * STEP_S, float(alike[best]))


def _parts_apart(ours: Numbers, theirs: Numbers, lag: int) -> int:
    """How far three of four parts' lags are away from the ``lag`` of the whole at most; all in steps."""
    near, length = round(NEAR_S / STEP_S), round(MIN_SPAN_S / STEP_S)
    first = max(0, near - lag)
    last = min(len(ours), len(theirs) - near - lag)
    found = []
    for begin in range(first, last - length + 1, length):
        window = theirs[begin + lag - near : begin + lag + length + near]
        alike = _correlation(ours[begin : begin + length], window)
        if alike.max() >= MIN_CORRELATION:  # else nothing moved meanwhile, or too little is known of it
            found.append(abs(int(alike.argmax()) - near))
    return math.ceil(np.percentile(found, 75)) if found else near


def _correlation(ours: Numbers, theirs: Numbers) -> Numbers:
    """(m - n + 1,) how much ``ours`` (n,) resembles ``theirs`` (m,) from each place on, by what both know."""
    known_a, known_b = np.isfinite(ours), np.isfinite(theirs)
    a = np.where(known_a, ours - np.nanmean(ours) if known_a.any() else 0.0, 0.0)
    b = np.where(known_b, theirs - np.nanmean(theirs) if known_b.any() else 0.0, 0.0)
    ones_a, ones_b = known_a.astype(np.float64), known_b.astype(np.float64)
    count = np.maximum(np.correlate(ones_b, ones_a, "valid"), 1.0)
    sum_a, sum_b = np.correlate(ones_b, a, "valid"), np.correlate(b, ones_a, "valid")
    square_a = np.correlate(ones_b, a * a, "valid") - sum_a**2 / count
    square_b = np.correlate(b * b, ones_a, "valid") - sum_b**2 / count
    product = np.correlate(b, a, "valid") - sum_a * sum_b / count
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.abs(np.nan_to_num(product / np.sqrt(np.maximum(square_a, 0) * np.maximum(square_b, 0)), posinf=0.0))
    enough = count >= len(ours) / 4
    return np.where(enough, alike, 0.0)
