"""One fault of an episode, and the bounds beyond which something counts as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Finding:
    """One line of ``il-robot dataset validate``."""

    episode: str
    stream: str
    """A follower, a camera, a joint, an array, or ``episode``."""
    kind: str
    """A short fixed word, for scripts: ``checksum``, ``gap``, ``stale`` ..."""
    text: str
    first: int | None = None
    """The first step concerned; None for the whole episode."""
    last: int | None = None

    @property
    def at(self) -> str:
        """`` steps 3-5``; empty for the whole episode."""
        if self.first is None:
            return ""
        many = self.last is not None and self.last != self.first
        return f" steps {self.first}-{self.last}" if many else f" step {self.first}"

    def __str__(self) -> str:
        return f"{self.episode}{self.at} {self.stream}: {self.text}"


@dataclass(frozen=True)
class Tolerances:
    """How much is still fine. Times in seconds; angles [rad], grippers [opening]."""

    gap_periods: float = 1.5
    """Longest time between two steps, two states or two frames, in periods of the loop or of that stream."""
    jitter: float = 0.2
    """Largest deviation from that period at the 99th percentile, as a share of it."""
    age_s: float = 0.1
    """Oldest stamp a step may show."""
    skew_s: float = 0.04
    """Largest time between the frames of two cameras at one step."""
    frozen_frames: int = 10
    """So many fresh frames in a row with the very same bytes mean a frozen camera: noise makes real ones differ."""
    frozen_ring: int = 4
    """A camera that shows so many pictures in turn is frozen, too: a driver's ring of buffers that is not filled."""
    still: float = 0.05
    """While no joint moves by more than this, a camera is frozen only after ``idle_s``: a simulated one sees the same
    then, for it has no noise."""
    black: float = 8.0
    """Mean brightness [0..255] below which an image counts as black."""
    limit: float = 0.05
    """How far a measured joint may lie beyond its limit; a sent action may not at all."""
    speed: float = 1.5
    """How much faster than its limit a measured joint may seem to move; a sent action 1.05."""
    idle_s: float = 2.0
    """Longest stand at the beginning or the end [s]."""
    idle_motion: float = 0.01
    """Less motion than this of every joint is a stand."""


def runs(bad: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(first, last) of every unbroken run of True in ``bad`` (T,)."""
    edges = np.diff(np.concatenate([[0], bad.astype(np.int8), [0]]))
    for first, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        yield int(first), int(end) - 1
