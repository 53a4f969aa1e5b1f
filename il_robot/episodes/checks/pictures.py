"""Faults of the images: damaged, frozen, black."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, Tolerances, runs
from il_robot.episodes.jpeg_codec import decode_eighth
from il_robot.episodes.layout import CameraInfo, Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput


def check_pictures(episode: Episode, bounds: Tolerances) -> Iterator[Finding]:
    """Reads every frame, its checksum with it, and decodes it."""
    for camera in episode.info.cameras:
        yield from _camera(episode, camera, bounds)


def _camera(episode: Episode, camera: CameraInfo, bounds: Tolerances) -> Iterator[Finding]:
    name, validity = camera.name, episode.validity(camera.name)
    black = np.zeros(episode.steps, bool)
    seen: deque[tuple[bytes, bool]] = deque(maxlen=bounds.frozen_ring)
    """The pictures before, newest first, and whether they are dark."""
    fresh: list[tuple[int, int]] = []
    """Steps with a fresh frame, and how many of these back the same picture was: 0 for a new one."""
    damaged: dict[str, list[int]] = {}
    whole = False
    for t in np.flatnonzero(validity != Validity.MISSING).tolist():
        try:
            jpeg = episode.frame_jpeg(name, t)
        except BadInput as error:
            damaged.setdefault(str(error), []).append(t)
            whole = False
            continue
        back = next((i for i, (picture, _) in enumerate(seen, 1) if picture == jpeg), 0)
        dark = seen[back - 1][1] if back else False
        if not back:
            try:
                dark = bool(decode_eighth(jpeg, camera.height, camera.width).mean() < bounds.black)
            except ValueError as error:
                yield Finding(episode.id, name, "undecodable", f"not a whole JPEG: {error}", t, t)
        if validity[t] == Validity.FRESH:
            fresh.append((t, back))
            seen.appendleft((jpeg, dark))
            whole = True
        elif whole and back != 1 and validity[t] == Validity.REPEATED:
            text = "repeats the step before, but shows another picture"
            yield Finding(episode.id, name, "metadata", text, t, t)
        black[t] = dark
    for text, steps in damaged.items():
        yield Finding(episode.id, name, "checksum", text, steps[0], steps[-1])
    yield from _frozen(episode, name, np.array(fresh, int).reshape(-1, 2), bounds)
    for first, last in runs(black):
        yield Finding(episode.id, name, "black", "a black picture", first, last)


def _frozen(episode: Episode, camera: str, fresh: NDArray[np.int_], bounds: Tolerances) -> Iterator[Finding]:
    """``fresh`` (F, 2): step of each fresh frame, and how many frames back the same picture was shown, or 0."""
    for begin, last in runs(fresh[:, 1] > 0):
        ring = int(fresh[begin, 1])
        frames = fresh[max(0, begin - ring) : last + 1, 0]
        steps = int(frames[-1] - frames[0]) + 1
        still = bool((np.ptp(episode.qpos[frames[0] : frames[-1] + 1], axis=0) < bounds.still).all())
        if steps >= bounds.idle_s * episode.info.fps if still else len(frames) >= bounds.frozen_frames:
            pictures = "picture" if ring == 1 else f"{ring} pictures in turn"
            text = f"{len(frames)} new frames are the same {pictures}"
            yield Finding(episode.id, camera, "frozen", text, int(frames[0]), int(frames[-1]))
