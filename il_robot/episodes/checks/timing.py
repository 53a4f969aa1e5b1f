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


def check_timing(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """All faults of the stamps of one episode."""
    yield from _steps(episode, bounds)
    for a, follower in enumerate(episode.info.followers):
        yield from _stream(episode, follower, episode.joint_ns[:, a], bounds)
    for c, camera in enumerate(episode.info.camera_names):
        yield from _stream(episode, camera, episode.camera_ns[:, c], bounds)
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


def _skipped(episode: Episode, camera: str, sequence: NDArray[np.int64]) -> Iterator[Finding]:
    """Gaps in the camera's own count; a camera faster than the loop skips by nature and is left alone,
    and so are frames whose steps are marked missing already."""
    fresh = np.flatnonzero(episode.validity(camera) == Validity.FRESH)
    increments = np.diff(sequence[fresh])
    if not len(increments) or np.median(increments) > 1:
        return
    missing = np.cumsum(episode.validity(camera) == Validity.MISSING)
    skipped = increments - 1 - np.diff(missing[fresh])
    for i in np.flatnonzero(skipped > 0):
        step = int(fresh[i + 1])
        yield Finding(episode.id, camera, "skipped", f"{skipped[i]} frames skipped before it", step, step)


def _skew(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    if len(episode.info.cameras) < 2:
        return
    valid = episode.valid[:, len(episode.info.followers) :]
    every = (valid != Validity.MISSING).all(axis=1)
    skew = np.ptp(episode.camera_ns, axis=1)
    for first, last in runs(every & (skew > bounds.skew_s * _S)):
        worst = skew[first : last + 1].max() / _MS
        yield Finding(episode.id, "cameras", "skew", f"frames up to {worst:.0f} ms apart", first, last)
