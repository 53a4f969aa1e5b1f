"""How action chunks become one action per tick: temporal ensembling, or one chunk after another.

Both are asked by the clock, not by a step count, so a late or missing prediction shifts nothing.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from il_robot.errors import BadInput
from il_robot.types import ActionChunk, Floats

LARGEST_M = 100
"""With it all but one prediction weigh nothing."""


class ChunkExecution(Protocol):
    """Turns the chunks seen so far into the action for a moment."""

    def add(self, chunk: ActionChunk) -> None:
        """A new prediction."""
        ...

    def at(self, time_ns: int) -> Floats | None:
        """(J,) the action for that moment; None when no chunk reaches it."""
        ...

    def clear(self) -> None:
        """Forget every chunk (at takeover and hand back)."""
        ...


def interpolate(chunk: ActionChunk, time_ns: int) -> Floats | None:
    """(J,) the chunk's action at ``time_ns``, linear between rows; None outside ``[start, start + k periods)``."""
    row = (time_ns - chunk.start_ns) / chunk.period_ns
    if not 0 <= row < len(chunk.qpos):
        return None
    below = int(row)
    above = min(below + 1, len(chunk.qpos) - 1)
    share = np.float32(row - below)
    action: Floats = chunk.qpos[below] * (1 - share) + chunk.qpos[above] * share
    return action


class Ensemble:
    """Temporal ensembling (Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation", section IV-B).

    ``a_t = sum_i w_i a_t^(i) / sum_i w_i`` with ``w_i = exp(-m i)`` and i = 0 the *oldest* prediction that
    reaches t. Here i counts periods since the oldest one, which is the same number when every step brings a
    prediction and stays right when some are missing. A negative ``m`` prefers recent predictions.

    The newest ``chunk_size`` chunks lie in a ring; whether a place of it is taken is a flag of its own, so an action
    of zeros counts like any other. Axes: R places of the ring, k rows of the longest chunk, J joints.
    """

    def __init__(self, joints: int, chunk_size: int, m: float = 0.01) -> None:
        if chunk_size < 1:
            raise BadInput(f"chunk size {chunk_size} must be at least 1")
        if not abs(m) <= LARGEST_M:
            raise BadInput(f"temporal ensembling: m {m}; allowed: {-LARGEST_M} to {LARGEST_M}")
        self._joints = joints
        self._m = m
        self._chunk_RkJ = np.zeros((chunk_size, 0, joints), np.float32)
        self._length_R = np.zeros(chunk_size, np.int64)
        self._start_R = np.zeros(chunk_size, np.int64)
        self._period_R = np.ones(chunk_size, np.int64)
        self._taken_R = np.zeros(chunk_size, np.bool_)
        self._next = 0

    def add(self, chunk: ActionChunk) -> None:
        if chunk.qpos.ndim != 2 or chunk.qpos.shape[1] != self._joints:
            raise BadInput(f"action chunk of shape {chunk.qpos.shape}; allowed: (k, {self._joints})")
        length, place = len(chunk.qpos), self._next
        if (missing := length - self._chunk_RkJ.shape[1]) > 0:
            self._chunk_RkJ = np.pad(self._chunk_RkJ, ((0, 0), (0, missing), (0, 0)))
        self._chunk_RkJ[place, :length] = chunk.qpos
        self._length_R[place], self._start_R[place] = length, chunk.start_ns
        self._period_R[place], self._taken_R[place] = chunk.period_ns, True
        self._next = (place + 1) % len(self._taken_R)

    def at(self, time_ns: int) -> Floats | None:
        row_R = (time_ns - self._start_R) / self._period_R
        reaching = np.flatnonzero(self._taken_R & (row_R >= 0) & (row_R < self._length_R))
        if not len(reaching):
            return None
        row = row_R[reaching]
        below = row.astype(np.int64)
        above = np.minimum(below + 1, self._length_R[reaching] - 1)
        share = (row - below).astype(np.float32)[:, None]
        actions = self._chunk_RkJ[reaching, below] * (1 - share) + self._chunk_RkJ[reaching, above] * share
        start = self._start_R[reaching]
        exponents = -self._m * ((start - start.min()) / self._period_R[reaching])
        weights = np.exp(exponents - exponents.max())
        average: Floats = (weights @ actions / weights.sum()).astype(np.float32)
        return average

    def clear(self) -> None:
        self._taken_R[:] = False


class OpenLoop:
    """Follows one chunk for ``execute`` periods (or to its end), then goes on with the newest: receding horizon.

    ``execute`` = chunk size is the open loop of the ACT paper's ablation; 1 is the newest prediction always.
    """

    def __init__(self, execute: int) -> None:
        if execute < 1:
            raise BadInput(f"a chunk must be executed for at least 1 step, not {execute}")
        self._execute = execute
        self._current: ActionChunk | None = None
        self._newest: ActionChunk | None = None

    def add(self, chunk: ActionChunk) -> None:
        self._newest = chunk

    def at(self, time_ns: int) -> Floats | None:
        current = self._current
        if current is None or time_ns >= current.start_ns + self._steps_of(current) * current.period_ns:
            current = self._current = self._newest
        return None if current is None else interpolate(current, time_ns)

    def _steps_of(self, chunk: ActionChunk) -> int:
        return min(self._execute, len(chunk.qpos))

    def clear(self) -> None:
        self._current = self._newest = None
