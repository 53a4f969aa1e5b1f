"""Mean, deviation and range of an episode set's vectors, kept beside the dataset and renewed when it changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.attributes import write_json
from il_robot.episodes.columns import CRC_BYTES, Column, chunk_path, chunk_rows, columns
from il_robot.episodes.location import file_size, is_local, read_range
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Floats


@dataclass(frozen=True)
class Statistics:
    """Per vector: column path (``observations/qpos``, ``action``, ...) -> (J,) values over all finite entries.

    NaN where there is none, as for velocities that nothing measured.
    """

    episodes: int
    steps: int
    mean: dict[str, Floats]
    std: dict[str, Floats]
    minimum: dict[str, Floats]
    maximum: dict[str, Floats]


def compute_statistics(episodes: Sequence[Episode]) -> Statistics:
    """One pass over the low-dimensional arrays in float64; NaN (nothing measured) is left out."""
    if not episodes:
        raise BadInput("no episode to compute statistics from")
    paths = [column.path for column in _vectors(episodes[0])]
    sums = {path: _Moments() for path in paths}
    steps = 0
    for episode in episodes:
        if [column.path for column in _vectors(episode)] != paths or episode.info.joint_names != (
            episodes[0].info.joint_names
        ):
            raise BadInput(f"{episode.path}: other joints or objects than {episodes[0].path}: not one dataset")
        steps += episode.steps
        for path, moments in sums.items():
            moments.add(episode.array(path))
    if steps == 0:
        raise BadInput(f"{episodes[0].path.parent}: no episode with a step: nothing to compute statistics from")
    return Statistics(
        episodes=len(episodes),
        steps=steps,
        mean={path: moments.mean.astype(np.float32) for path, moments in sums.items()},
        std={path: moments.std.astype(np.float32) for path, moments in sums.items()},
        minimum={path: moments.minimum.astype(np.float32) for path, moments in sums.items()},
        maximum={path: moments.maximum.astype(np.float32) for path, moments in sums.items()},
    )


def cached_statistics(cache: Path, episodes: Sequence[Episode]) -> Statistics:
    """The statistics in ``cache`` if they were computed from exactly these episodes, else computed and kept there.

    A dataset that cannot be written to, or lies at a URL, is computed every time.
    """
    fingerprint = fingerprint_of(episodes)
    kept = _read_cache(cache, fingerprint)
    if kept is not None:
        return kept
    statistics = compute_statistics(episodes)
    fields = {name: {path: _plain(values) for path, values in getattr(statistics, name).items()} for name in _ARRAYS}
    data = {"fingerprint": fingerprint, "episodes": statistics.episodes, "steps": statistics.steps, **fields}
    if is_local(cache):
        with suppress(OSError):
            write_json(cache, {**data, "digest": _digest(data)})
    return statistics


def fingerprint_of(episodes: Sequence[Episode]) -> str:
    """Changes when, and only when, a name, an attribute or a vector of the episodes does.

    Every chunk of an array ends with a checksum of its values: reading these few bytes is enough.
    """
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(f"{episode.id}\n".encode())
        digest.update((episode.path / "zarr.json").read_bytes())
        for column in _vectors(episode):
            for number in range(-(-episode.steps // chunk_rows(episode.steps))):
                digest.update(_checksum(chunk_path(episode.path, column, number)))
    return digest.hexdigest()


_ARRAYS = ("mean", "std", "minimum", "maximum")


class _Moments:
    """Sums over (T, D) float arrays, NaN left out."""

    def __init__(self) -> None:
        self._count: Any = 0
        self._sum: Any = 0.0
        self._square: Any = 0.0
        self._least: Any = np.inf
        self._most: Any = -np.inf

    def add(self, values: NDArray[Any]) -> None:
        if not len(values):
            return
        wide = values.astype(np.float64)
        finite = np.isfinite(wide)
        zeroed = np.where(finite, wide, 0.0)
        self._count = self._count + finite.sum(axis=0)
        self._sum = self._sum + zeroed.sum(axis=0)
        self._square = self._square + (zeroed**2).sum(axis=0)
        self._least = np.minimum(self._least, np.where(finite, wide, np.inf).min(axis=0))
        self._most = np.maximum(self._most, np.where(finite, wide, -np.inf).max(axis=0))

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._measured(self._sum / np.maximum(self._count, 1))

    @property
    def std(self) -> NDArray[np.float64]:
        variance = self._square / np.maximum(self._count, 1) - self.mean**2
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    @property
    def minimum(self) -> NDArray[np.float64]:
        return self._measured(self._least)

    @property
    def maximum(self) -> NDArray[np.float64]:
        return self._measured(self._most)

    def _measured(self, values: Any) -> NDArray[np.float64]:
        return np.where(self._count > 0, values, np.nan)


def _vectors(episode: Episode) -> list[Column]:
    return [c for c in columns(episode.info) if c.dtype == "<f4"]


def _checksum(path: Path) -> bytes:
    try:
        return read_range(path, max(0, file_size(path) - CRC_BYTES), CRC_BYTES)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}: the episode is damaged") from None


def _plain(values: Floats) -> list[float | None]:
    """For JSON, which knows no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _digest(data: dict[str, Any]) -> str:
    """Of the cache's own content: one that was edited or damaged is not believed."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _read_cache(cache: Path, fingerprint: str) -> Statistics | None:
    try:
        data = json.loads(read_range(cache, 0, file_size(cache)))
        if data["fingerprint"] != fingerprint or data.pop("digest") != _digest(data):
            return None
        arrays = {name: {path: np.array(values, np.float32) for path, values in data[name].items()} for name in _ARRAYS}
        return Statistics(episodes=data["episodes"], steps=data["steps"], **arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
