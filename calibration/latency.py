"""How late one stream is against another, from a target that moves in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.errors import BadInput

STEP_S = 0.001
MIN_CORRELATION = 0.8
MIN_SPAN_S = 2.0


@dataclass(frozen=True)
class Lag:
    """How much later the second stream shows what the first one showed."""

    seconds: float
    correlation: float
    """1: the streams are the same but for the lag."""


def find_lag(
    reference_ns: NDArray[np.int64],
    reference: NDArray[np.floating],
    stream_ns: NDArray[np.int64],
    stream: NDArray[np.floating],
    longest_s: float = 0.5,
) -> Lag:
    """The lag of ``stream`` (m,) behind ``reference`` (n,), each with its own stamps, by cross-correlation.

    Both are brought onto one grid of 1 ms; any scale, offset or sign between them does not matter. Move the target
    irregularly: a steady swing looks the same a period later. Raises BadInput when they do not resemble each other.
    """
    start_ns, end_ns = max(reference_ns[0], stream_ns[0]), min(reference_ns[-1], stream_ns[-1])
    edge = round(longest_s / STEP_S)
    grid_ns = np.arange(start_ns, end_ns, round(STEP_S * 1e9))
    if len(grid_ns) < 2 * edge + MIN_SPAN_S / STEP_S:
        raise BadInput(f"the streams overlap for {max(0, end_ns - start_ns) / 1e9:.1f} s; record at least 3 s")
    ours = np.interp(grid_ns - start_ns, reference_ns - start_ns, reference)[edge:-edge]
    theirs = np.interp(grid_ns - start_ns, stream_ns - start_ns, stream)
    windows = np.lib.stride_tricks.sliding_window_view(theirs, len(ours))
    ours = ours - ours.mean()
    centred = windows - windows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1) * np.linalg.norm(ours)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.abs(np.nan_to_num(centred @ ours / norm))
    best = int(correlation.argmax())
    if correlation[best] < MIN_CORRELATION:
        raise BadInput(
            f"the streams resemble each other by {correlation[best]:.2f} only (at least {MIN_CORRELATION}): "
            "was the target in view, and moving?"
        )
    return Lag((best - edge) * STEP_S, float(correlation[best]))
