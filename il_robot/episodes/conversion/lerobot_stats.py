"""The statistics a LeRobot data set carries per episode and as a whole. Axes: T steps, N pixels, H W C image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.conversion.outgoing_frames import filled_steps, whole_image
from il_robot.episodes.layout import CameraInfo
from il_robot.episodes.reader import Episode

Stats: TypeAlias = dict[str, NDArray[Any]]
"""min, max, mean, std and count."""

_FRAMES = 20
"""Images looked at per camera and episode."""
_STRIDE = 8
"""Every so many pixels in either direction."""


def row_stats(values: NDArray[Any]) -> Stats:
    """Over the rows of (T, ...); what is unknown (NaN) is left out, and a column of nothing else has zeros."""
    wide = np.ma.masked_invalid(values.reshape(len(values), -1).astype(np.float64))
    numbers = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    filled = {name: np.ma.filled(value, 0.0) for name, value in numbers.items()}
    return {**filled, "count": np.array([len(wide)])}


def image_stats(episode: Episode, camera: CameraInfo) -> Stats:
    """Of RGB in [0, 1], shaped (3, 1, 1), over a sample of the frames."""
    steps = filled_steps(episode, camera.name)
    sample = steps[np.linspace(0, len(steps) - 1, min(_FRAMES, len(steps))).astype(int)]
    pixels_NC = np.concatenate(
        [whole_image(episode, camera, int(t))[::_STRIDE, ::_STRIDE].reshape(-1, 3) for t in sample]
    ).astype(np.float64)
    stats = row_stats(pixels_NC / 255)
    return {name: values if name == "count" else values.reshape(3, 1, 1) for name, values in stats.items()}


def together(parts: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """The statistics of several episodes as one, feature by feature."""
    return {feature: _together([part[feature] for part in parts]) for feature in parts[0]}


def _together(parts: Sequence[Stats]) -> Stats:
    count = sum(int(part["count"][0]) for part in parts)
    share = [part["count"][0] / count for part in parts]
    mean = sum((w * part["mean"] for w, part in zip(share, parts, strict=True)), np.zeros_like(parts[0]["mean"]))
    square = sum((w * (part["std"] ** 2 + part["mean"] ** 2) for w, part in zip(share, parts, strict=True)), 0 * mean)
    return {
        "min": np.minimum.reduce([part["min"] for part in parts]),
        "max": np.maximum.reduce([part["max"] for part in parts]),
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0.0)),
        "count": np.array([count]),
    }
