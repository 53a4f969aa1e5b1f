"""Faults of the stamps: gaps, jitter, stamps that run backwards, old or future data, cameras apart.

Axes: T steps, S streams.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, Tolerances, runs
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode

_MS = 1e6
_S = 1e9
_FEW = 3
"""Frames that tell no period."""


def check_timing(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """All faults of the stamps of one episode."""
    yield from _steps(episode, bounds)
    for a, follower in enumerate(episode.info.followers):
        yield from _stream(episode, follower, episode.joint_ns[:, a], bounds)
        yield from _rhythm(episode, follower, episode.joint_ns[:, a], None, bounds)
    for c, camera in enumerate(episode.info.camera_names):
        yield from _stream(episode, camera, episode.camera_ns[:, c], bounds)
        yield from _rhythm(episode, camera, episode.camera_ns[:, c], episode.camera_sequence[:, c], bounds)
        yield from _skipped(episode, camera, episode.camera_sequence[:, c])
    yield from _skew(episode, bounds)


def _steps(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    between = np.diff(episode.step_ns)
    if not len(between):
        return
    period = _S / episode.info.fps
    for first, last in runs(between <= 0):
        yield Finding(episode.id, "steps", "backwards", "the time does not advance", first + 1, last + 1)
    for first, last in runs(between > bounds.gap_periods * period):
        longest = between[first : last + 1].max() / _MS
        text = f"gap of {longest:.1f} ms where {period / _MS:.1f} ms belong"
        yield Finding(episode.id, "steps", "gap", text, first + 1, last + 1)
    jitter = float(np.percentile(np.abs(between - period), 99))
    if jitter > bounds.jitter * period:
        share = f"{jitter / _MS:.1f} ms (99th percentile) around the period of {period / _MS:.1f} ms"
        yield Finding(episode.id, "steps", "jitter", f"the loop jitters by {share}")


def _stream(episode: Episode, stream: str, stamps: NDArray[np.int64], bounds: Tolerances) -> Iterator[Finding]:
    valid = episode.validity(stream)
    there = valid != Validity.MISSING
    for first, last in runs(~there):
        yield Finding(episode.id, stream, "missing", "nothing came", first, last)
    age = episode.step_ns - stamps
    for first, last in runs(there & (age > bounds.age_s * _S)):
        oldest = age[first : last + 1].max() / _MS
        yield Finding(episode.id, stream, "stale", f"up to {oldest:.0f} ms old", first, last)
    for first, last in runs(there & (-age > _S / episode.info.fps)):
        newest = -age[first : last + 1].min() / _MS
        yield Finding(episode.id, stream, "future", f"stamped {newest:.0f} ms after its step", first, last)
    fresh = np.flatnonzero(valid == Validity.FRESH)
    for i in np.flatnonzero(np.diff(stamps[fresh]) <= 0):
        step = int(fresh[i + 1])
        yield Finding(episode.id, stream, "backwards", "stamped before the one it follows", step, step)


def _rhythm(
    episode: Episode,
    stream: str,
    stamps: NDArray[np.int64],
    sequence: NDArray[np.int64] | None,
    bounds: Tolerances,
) -> Iterator[Finding]:
    """A stream's own period: where it paused, and how much it shakes.

    What the stream's own count explains is a skipped frame, and where steps are missing they say it already.
    """
    valid = episode.validity(stream)
    fresh = np.flatnonzero(valid == Validity.FRESH)
    if len(fresh) < _FEW:
        return
    counted = np.ones(len(fresh) - 1) if sequence is None else np.maximum(np.diff(sequence[fresh]), 1)
    between = np.diff(stamps[fresh]) / counted
    period = float(np.median(between))
    whole = np.diff(np.cumsum(valid == Validity.MISSING)[fresh]) == 0
    paused = whole & (between > bounds.gap_periods * period)
    for i in np.flatnonzero(paused):
        step = int(fresh[i + 1])
        text = f"pause of {between[i] / _MS:.1f} ms where {period / _MS:.1f} ms belong"
        yield Finding(episode.id, stream, "gap", text, step, step)
    next_to = whole & ~paused & (counted == 1)
    jitter = float(np.percentile(np.abs(between - period)[next_to], 99)) if next_to.any() else 0.0
    if jitter > bounds.jitter * period:
        text = f"jitters by {jitter / _MS:.1f} ms (99th percentile) around its period of {period / _MS:.1f} ms"
        yield Finding(episode.id, stream, "jitter", text)


def _skipped(episode: Episode, camera: str, sequence: NDArray[np.int64]) -> Iterator[Finding]:
    """Gaps in the camera's own count; a camera faster than the loop skips by nature and is left alone,
    and so are frames whose steps are marked missing already."""
    fresh = np.flatnonzero(episode.validity(camera) == Validity.FRESH)
    increments = np.diff(sequence[fresh])
    for i in np.flatnonzero(increments <= 0):
        before, step = int(fresh[i]), int(fresh[i + 1])
        text = f"counts its frames anew: {sequence[step]} after {sequence[before]}; what it lost meanwhile is not known"
        yield Finding(episode.id, camera, "recount", text, step, step)
    if not len(increments) or np.median(increments) > 1:
        return
    missing = np.cumsum(episode.validity(camera) == Validity.MISSING)
    skipped = increments - 1 - np.diff(missing[fresh])
    for i in np.flatnonzero(skipped > 0):
        step = int(fresh[i + 1])
        yield Finding(episode.id, camera, "skipped", f"skipped frames before it: {skipped[i]}", step, step)


def _skew(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    if len(episode.info.cameras) < 2:
        return
    valid = episode.valid[:, len(episode.info.followers) :]
    every = (valid != Validity.MISSING).all(axis=1)
    skew = np.ptp(episode.camera_ns, axis=1)
    for first, last in runs(every & (skew > bounds.skew_s * _S)):
        worst = skew[first : last + 1].max() / _MS
        yield Finding(episode.id, "cameras", "skew", f"frames up to {worst:.0f} ms apart", first, last)
