"""What the cameras delivered and how old it was when it was used.

Axes: T steps, C cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.layout import Losses, Validity
from il_robot.episodes.reader import Episode
from il_robot.report.loop import real_time


@dataclass(frozen=True)
class CameraFrames:
    """One camera over several real-time episodes."""

    camera: str
    steps: int
    missing: int
    """Steps without a frame."""
    repeated: int
    """Steps that show the frame of the step before."""
    skipped: int
    """Frames that the camera counted, no step shows and no missing step stands for."""
    age_p50_ms: float
    """From capture to the step, over fresh frames."""
    age_max_ms: float

    @property
    def lost(self) -> int:
        """See the words in ``docs/episode-format.md``."""
        return self.missing + self.skipped


def ages_ms(episode: Episode, camera: str) -> NDArray[np.float64]:
    """(n,) capture to step [ms] of every fresh frame of ``camera``."""
    fresh = episode.validity(camera) == Validity.FRESH
    c = episode.info.camera_names.index(camera)
    ages: NDArray[np.float64] = (episode.step_ns[fresh] - episode.camera_ns[fresh, c]) / 1e6
    return ages


def measure_cameras(episodes: Sequence[Episode]) -> tuple[CameraFrames, ...]:
    """Every camera of the real-time ones among ``episodes``."""
    chosen = real_time(episodes)
    names = dict.fromkeys(name for episode in chosen for name in episode.info.camera_names)
    return tuple(_camera(name, [e for e in chosen if name in e.info.camera_names]) for name in names)


def _camera(name: str, episodes: Sequence[Episode]) -> CameraFrames:
    losses = [episode.recorded.losses.get(name, Losses()) for episode in episodes]
    ages = np.concatenate([ages_ms(episode, name) for episode in episodes])
    return CameraFrames(
        camera=name,
        steps=sum(episode.steps for episode in episodes),
        missing=sum(loss.missing for loss in losses),
        repeated=sum(loss.repeated for loss in losses),
        skipped=sum(loss.skipped for loss in losses),
        age_p50_ms=float(np.median(ages)) if len(ages) else float("nan"),
        age_max_ms=float(ages.max()) if len(ages) else float("nan"),
    )


def skew_ms(episodes: Sequence[Episode]) -> float | None:
    """Largest time between the frames of two cameras shown at one step [ms]; None without two cameras."""
    largest = None
    for episode in real_time(episodes):
        first = len(episode.info.followers)
        whole = (episode.valid[:, first:] != Validity.MISSING).all(axis=1)
        if len(episode.info.cameras) > 1 and whole.any():
            spread = float(np.ptp(episode.camera_ns[whole], axis=1).max()) / 1e6
            largest = spread if largest is None else max(largest, spread)
    return largest
