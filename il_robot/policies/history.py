"""What a policy with a history sees besides the newest moment: the same rule in training and in deployment.

A history of h holds the moments t-h+1 .. t, one control period apart, the oldest first. Before the beginning (of an
episode, or of whoever drives) there was nothing: the first moment stands in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.policies.inputs import Inputs
from il_robot.types import Floats, Image


def past(now: NDArray[np.int64], begin: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(...,) steps -> (..., count): each one's newest ``count`` steps, the oldest first, none before ``begin``."""
    steps: NDArray[np.int64] = np.maximum(now[..., None] - np.arange(count)[::-1], begin[..., None])
    return steps


@dataclass(frozen=True)
class Moment:
    """One observation as a policy sees it."""

    state: Floats
    """(s,) normalised."""
    images: dict[str, Image]
    """camera name -> (H, W, 3) at the policy's resolution."""


class History:
    """The newest moments, kept by the clock, so that a lost or late one shifts nothing."""

    def __init__(self, inputs: Inputs, period_ns: int) -> None:
        self._inputs = inputs
        self._period_ns = period_ns
        self._kept: deque[tuple[int, Moment]] = deque(maxlen=inputs.history)
        self._first_ns = 0

    def add(self, time_ns: int, moment: Moment) -> None:
        """The newest moment; it replaces those that are not older."""
        step = round((time_ns - self._first_ns) / self._period_ns)
        while self._kept and self._kept[-1][0] >= step:
            self._kept.pop()
        if not self._kept:
            self._first_ns, step = time_ns, 0
        self._kept.append((step, moment))

    def clear(self) -> None:
        """Begin anew: what is remembered belongs to another episode or driver."""
        self._kept.clear()

    def state(self) -> Floats:
        """(S,) of the newest moments, one after another."""
        return np.concatenate([moment.state for moment in self._newest(self._inputs.history)])

    def images(self) -> dict[str, Image]:
        """camera name -> its newest frames, as :attr:`CameraInput.shape` tells."""
        frames = {
            camera.name: [moment.images[camera.name] for moment in self._newest(camera.frames)]
            for camera in self._inputs.cameras
        }
        return {name: images[0] if len(images) == 1 else np.stack(images) for name, images in frames.items()}

    def _newest(self, count: int) -> Sequence[Moment]:
        """The moments of the newest ``count`` steps; for a step that was lost, the one before it."""
        now = np.array(self._kept[-1][0])
        return [self._at(step) for step in past(now, np.zeros((), np.int64), count).tolist()]

    def _at(self, step: int) -> Moment:
        return next((moment for kept, moment in reversed(self._kept) if kept <= step), self._kept[0][1])
