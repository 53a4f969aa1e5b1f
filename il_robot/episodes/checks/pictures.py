"""Faults of the images: damaged, frozen, black."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, Tolerances, runs
from il_robot.episodes.jpeg_codec import size_of
from il_robot.episodes.layout import CameraInfo, Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput


def check_pictures(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """Reads every frame, its checksum with it, and decodes it."""
    for camera in episode.info.cameras:
        yield from _camera(episode, camera, bounds)


def _camera(episode: Episode, camera: CameraInfo, bounds: Tolerances) -> Iterator[Finding]:
    name, validity = camera.name, episode.validity(camera.name)
    same, black = np.zeros(episode.steps, bool), np.zeros(episode.steps, bool)
    before, dark = b"", False
    for t in np.flatnonzero(validity != Validity.MISSING).tolist():
        if validity[t] == Validity.FRESH:
            try:
                jpeg = episode.frame_jpeg(name, t)
            except BadInput as error:
                yield Finding(episode.id, name, "checksum", str(error), t, t)
                continue
            same[t] = jpeg == before
            if not same[t]:
                try:
                    dark = _brightness(jpeg, camera) < bounds.black
                except ValueError as error:
                    yield Finding(episode.id, name, "undecodable", f"not a whole JPEG: {error}", t, t)
                    dark = False
            before = jpeg
        black[t] = dark
    yield from _frozen(episode, name, same, bounds)
    for first, last in runs(black):
        yield Finding(episode.id, name, "black", "a black picture", first, last)


def _brightness(jpeg: bytes, camera: CameraInfo) -> float:
    """Mean [0..255]. An eighth of the size is decoded, which reads the whole file. Raises ValueError for damage."""
    height, width = size_of(jpeg)
    if (height, width) != (camera.height, camera.width):
        raise ValueError(f"{width}x{height} where {camera.width}x{camera.height} belongs")
    small = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=1, min_width=1, min_factor=8)
    return float(small.mean())


def _frozen(episode: Episode, camera: str, same: NDArray[np.bool_], bounds: Tolerances) -> Iterator[Finding]:
    for first, last in runs(same):
        count = last - first + 2
        still = bool((np.ptp(episode.qpos[first - 1 : last + 1], axis=0) < bounds.still).all())
        if count >= (bounds.idle_s * episode.info.fps if still else bounds.frozen_frames):
            yield Finding(episode.id, camera, "frozen", f"{count} new frames are the same picture", first - 1, last)
