"""Samples straight from episodes: the observation at step t and the actions t .. t+k, with their padding.

Everything low-dimensional lies in a few flat arrays over all rows of all episodes; a batch is one indexing
operation. Axes: N rows, S state, J joints, B batch, k steps of a chunk, H W image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.policies.inputs import Inputs, state_of
from il_robot.policies.network import Batch
from il_robot.training.statistics import Statistics
from il_robot.types import Floats, Image, Mode

Indices = NDArray[np.int64]

IMITATED = (Mode.DEMONSTRATION, Mode.HUMAN)
"""Steps worth imitating: a human drove. Never a robot's own, nor the blend of a takeover."""


def segment_ends(mode: NDArray[np.int8], intervention: NDArray[np.int32]) -> Indices:
    """(T,) for each step, the first step after it at which somebody else drives (or the episode is over).

    A chunk must not run past it: what a human did after hand back, or a policy before takeover, is not what
    the observation led to.
    """
    steps = len(mode)
    changes = 1 + np.flatnonzero((np.diff(mode) != 0) | (np.diff(intervention) != 0))
    bounds = np.concatenate([changes, [steps]]).astype(np.int64)
    ends: Indices = bounds[np.searchsorted(bounds, np.arange(steps), side="right")]
    return ends


def _finite_action(episode: Episode) -> Floats:
    """(T, J). Raises BadInput naming the first step whose action is not a number."""
    action_TJ = np.asarray(episode.action, np.float32)
    bad = np.flatnonzero(~np.isfinite(action_TJ).all(-1))
    if len(bad):
        raise BadInput(f"{episode.path}: step {bad[0]}: the action holds a value that is not finite")
    return action_TJ


@dataclass(frozen=True)
class Rows:
    """All steps of several episodes, one after another."""

    episodes: tuple[str, ...]
    episode_N: Indices
    """Which episode a row belongs to."""
    step_N: Indices
    """Which step of it."""
    state_NS: Floats
    action_NJ: Floats
    end_N: Indices
    """The row at which a chunk that begins here must stop."""
    starts: Indices
    """Rows at which a window may begin."""

    def where(self, row: int) -> str:
        """The row in words."""
        return f"episode {self.episodes[self.episode_N[row]]} step {self.step_N[row]}"


def usable(episode: Episode, state_TS: Floats, cameras: Sequence[str]) -> NDArray[np.bool_]:
    """(T,) steps at which a window may begin: a human drove, and every stream that is needed was there."""
    good = np.isin(episode.mode, IMITATED) & np.isfinite(state_TS).all(-1)
    for stream in (*episode.info.followers, *cameras):
        good &= episode.validity(stream) != Validity.MISSING
    return np.asarray(good, np.bool_)


def gather(episodes: Sequence[Episode], inputs: Inputs) -> Rows:
    """The rows of ``episodes``. Raises BadInput when nothing in them can be imitated."""
    states, actions, ends, good = [], [], [], []
    offset = 0
    for episode in episodes:
        states.append(state_of(episode.qpos, episode.objects, inputs))
        actions.append(_finite_action(episode))
        ends.append(offset + segment_ends(episode.mode, episode.intervention))
        good.append(usable(episode, states[-1], [camera.name for camera in inputs.cameras]))
        offset += len(episode.qpos)
    starts = np.flatnonzero(np.concatenate(good)) if good else np.empty(0, np.int64)
    if not len(starts):
        names = ", ".join(episode.id for episode in episodes[:3]) or "none"
        raise BadInput(f"nothing to imitate in {len(episodes)} episodes ({names} ...): no valid step driven by a human")
    lengths = [len(state) for state in states]
    return Rows(
        episodes=tuple(episode.id for episode in episodes),
        episode_N=np.repeat(np.arange(len(lengths)), lengths),
        step_N=np.concatenate([np.arange(length) for length in lengths]),
        state_NS=np.concatenate(states),
        action_NJ=np.concatenate(actions),
        end_N=np.concatenate(ends),
        starts=starts,
    )


def check_chunk(rows: Rows, chunk_size: int) -> None:
    """Raises BadInput when no demonstration has room for a whole chunk."""
    longest = int((rows.end_N - np.arange(len(rows.end_N)))[rows.starts].max())
    if not 1 <= chunk_size <= longest:
        raise BadInput(f"chunk size {chunk_size}: allowed: 1 to {longest}, the length of the longest demonstration")


class Windows:
    """Batches of windows over :class:`Rows`, normalised."""

    def __init__(self, rows: Rows, images_NHWC: Mapping[str, Image], statistics: Statistics, chunk_size: int) -> None:
        """``images_NHWC``: camera name -> the training images of all rows."""
        self.rows = rows
        self._images_NHWC = images_NHWC
        self._state_NS = statistics.normalise_state(rows.state_NS)
        self._action_NJ = statistics.normalise_action(rows.action_NJ)
        self._ahead_k = np.arange(chunk_size)

    def __len__(self) -> int:
        return len(self.rows.starts)

    def batch(self, which: Indices) -> Batch:
        """The windows number ``which`` (B,) of ``len(self)``."""
        row_B = self.rows.starts[which]
        row_Bk = row_B[:, None] + self._ahead_k
        pad_Bk = row_Bk >= self.rows.end_N[row_B, None]
        action_BkJ = self._action_NJ[np.where(pad_Bk, row_B[:, None], row_Bk)]
        action_BkJ[pad_Bk] = 0.0
        images = {name: torch.from_numpy(image_NHWC[row_B]) for name, image_NHWC in self._images_NHWC.items()}
        return Batch(
            torch.from_numpy(self._state_NS[row_B]), images, torch.from_numpy(action_BkJ), torch.from_numpy(pad_Bk)
        )

    def blame(self, which: Indices) -> str:
        """What to look at when these windows made a loss that is not finite; the end of an error line."""
        batch = self.batch(which)
        size_B = torch.maximum(batch.state_BS.abs().amax(1), batch.action_BkJ.abs().amax((1, 2)))
        worst = int(size_B.argmax())
        where = self.rows.where(int(self.rows.starts[which[worst]]))
        return f"its most extreme window is {where} ({size_B[worst]:.1f} deviations); try a lower learning rate"


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
