"""Faults of the joint vectors: not finite, beyond limits, too fast, standing idle at an end.

Axes: T steps, J joints.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, Tolerances, runs
from il_robot.episodes.poses import impossible
from il_robot.episodes.reader import Episode
from il_robot.types import Floats

_ROUNDING = 1e-4
"""Of float32 vectors and of limits written with four digits."""


def check_motion(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """All faults of what the joints did and were told."""
    yield from _not_finite(episode)
    yield from _limits(episode, "observations/qpos", episode.qpos, bounds.limit)
    yield from _limits(episode, "action", episode.action, _ROUNDING)
    yield from _speed(episode, "observations/qpos", episode.qpos, bounds.speed, bounds.limit)
    yield from _speed(episode, "action", episode.action, 1.05, _ROUNDING)
    yield from _idle(episode, bounds)


def _not_finite(episode: Episode) -> Iterator[Finding]:
    for array in ("observations/qpos", "observations/qvel", "observations/effort", "action", "action_asked"):
        bad = ~np.isfinite(episode.array(array))
        if np.isnan(episode.array(array)).all() and array in ("observations/qvel", "observations/effort"):
            continue  # Nothing measures it on this rig.
        for j, joint in enumerate(episode.info.joint_names):
            for first, last in runs(bad[:, j]):
                yield Finding(episode.id, joint, "nan", f"{array} is not a number", first, last)
    for name, poses in episode.objects.items():
        infinite: NDArray[np.bool_] = np.asarray(np.isinf(poses).any(axis=1))
        unknown: NDArray[np.bool_] = np.asarray(np.isnan(poses).any(axis=1))
        for text, bad in (
            ("its pose is infinite", infinite),
            ("its pose is not known: no policy that is told of it learns there", unknown & ~infinite),
            ("its pose is no place on a table, or no rotation: no policy learns from it", impossible(poses)),
        ):
            for first, last in runs(bad):
                yield Finding(episode.id, name, "nan", text, first, last)


def _limits(episode: Episode, array: str, values: Floats, slack: float) -> Iterator[Finding]:
    for j, joint in enumerate(episode.info.joints):
        beyond = np.maximum(joint.lower - values[:, j], values[:, j] - joint.upper)
        for first, last in runs(beyond > slack):
            text = f"{array} up to {beyond[first : last + 1].max():.3f} {joint.unit} beyond its limit"
            yield Finding(episode.id, joint.name, "limit", text, first, last)


def _speed(episode: Episode, array: str, values: Floats, factor: float, slack: float) -> Iterator[Finding]:
    if episode.steps < 2:
        return
    seconds = np.maximum(np.diff(episode.step_ns), 1e9 / episode.info.fps) / 1e9
    moved = np.abs(np.diff(values.astype(np.float64), axis=0))
    for j, joint in enumerate(episode.info.joints):
        for first, last in runs(moved[:, j] > factor * joint.velocity * seconds + slack):
            worst = (moved[first : last + 1, j] / seconds[first : last + 1]).max()
            text = f"{array} jumps at {worst:.1f} {joint.unit}/s, the limit is {joint.velocity:.1f}"
            yield Finding(episode.id, joint.name, "jump", text, first + 1, last + 1)


def _idle(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    head, tail = idle_ends(episode, bounds.idle_motion)
    longest = bounds.idle_s * episode.info.fps
    if head > longest:
        text = f"stands still for {head / episode.info.fps:.1f} s at the beginning"
        yield Finding(episode.id, "episode", "idle", text, 0, head - 1)
    if tail > longest and head < episode.steps:
        text = f"stands still for {tail / episode.info.fps:.1f} s at the end"
        yield Finding(episode.id, "episode", "idle", text, episode.steps - tail, episode.steps - 1)


def idle_ends(episode: Episode, motion: float) -> tuple[int, int]:
    """How many steps at the beginning and at the end in which no joint leaves its place by more than ``motion``."""
    away_head = (np.abs(episode.action - episode.action[0]) > motion).any(axis=1)
    away_tail = (np.abs(episode.action - episode.action[-1]) > motion).any(axis=1)
    head = int(np.argmax(away_head)) if away_head.any() else episode.steps
    tail = int(np.argmax(away_tail[::-1])) if away_tail.any() else episode.steps
    return head, tail
