"""Faults of the images: damaged, frozen, black."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, Tolerances, runs
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput

_SAMPLED = 25
"""Every so many frames are decoded; so is every frame that takes less than half the usual bytes, as black does."""


def check_pictures(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """Reads every frame (its checksum with it) and decodes those that may be black."""
    for camera in episode.info.camera_names:
        yield from _camera(episode, camera, bounds)


def _camera(episode: Episode, camera: str, bounds: Tolerances) -> Iterator[Finding]:
    validity = episode.validity(camera)
    sizes = np.zeros(episode.steps, np.int64)
    same = np.zeros(episode.steps, np.int64)
    before = b""
    for t in np.flatnonzero(validity == Validity.FRESH).tolist():
        try:
            jpeg = episode.frame_jpeg(camera, t)
        except BadInput as error:
            yield Finding(episode.id, camera, "checksum", str(error), t, t)
            continue
        sizes[t] = len(jpeg)
        same[t] = 1 if jpeg == before else 0
        before = jpeg
    yield from _frozen(episode, camera, same, bounds)
    usual = np.median(sizes[sizes > 0]) if sizes.any() else 0
    suspects = (sizes > 0) & ((sizes < usual / 2) | (np.arange(episode.steps) % _SAMPLED == 0))
    yield from _black(episode, camera, np.flatnonzero(suspects).tolist(), bounds)


def _frozen(episode: Episode, camera: str, same: NDArray[np.int64], bounds: Tolerances) -> Iterator[Finding]:
    for first, last in runs(same.astype(bool)):
        count = last - first + 2
        if count >= bounds.frozen_frames:
            yield Finding(episode.id, camera, "frozen", f"{count} new frames are the same picture", first - 1, last)


def _black(episode: Episode, camera: str, steps: list[int], bounds: Tolerances) -> Iterator[Finding]:
    black = np.zeros(episode.steps, bool)
    for t in steps:
        try:
            small = simplejpeg.decode_jpeg(
                episode.frame_jpeg(camera, t), "GRAY", min_height=1, min_width=1, min_factor=8
            )
        except ValueError as error:
            yield Finding(episode.id, camera, "undecodable", f"not a whole JPEG: {error}", t, t)
            continue
        black[t] = small.mean() < bounds.black
    for first, last in runs(black):
        yield Finding(episode.id, camera, "black", "a black picture", first, last)
