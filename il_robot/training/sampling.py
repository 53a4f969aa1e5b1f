"""Which windows a training step learns from: a function of seed and step, so that a resumed run sees the same."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def which_windows(count: int, batch: int, step: int, seed: int) -> Indices:
    """(batch,) the windows of training step ``step``: an endless row of shuffled epochs, cut into batches.

    A function of its arguments alone, so a resumed run sees the very same samples.
    """
    position, parts, needed = step * batch, [], batch
    while needed:
        epoch, offset = divmod(position, count)
        part = _shuffled(count, seed, epoch)[offset : offset + needed]
        parts.append(part)
        position += len(part)
        needed -= len(part)
    return np.concatenate(parts)


@lru_cache(maxsize=2)
def _shuffled(count: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int64)


def drawn_windows(cumulative_N: NDArray[np.float64], batch: int, step: int, seed: int) -> Indices:
    """(batch,) windows of training step ``step``, each drawn by its share, with replacement.

    ``cumulative_N`` is the running sum of the windows' shares, ending in 1.
    """
    place_B = np.random.default_rng([seed, step]).random(batch)
    drawn: Indices = np.searchsorted(cumulative_N, place_B, side="right").clip(max=len(cumulative_N) - 1)
    return drawn
