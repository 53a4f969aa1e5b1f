"""Samples straight from episodes: the observation at step t and the actions t .. t+k, with their padding.

Everything low-dimensional lies in a few flat arrays over all rows of all episodes; a batch is one indexing
operation. Axes: N rows, S state, J joints, B batch, k steps of a chunk, H W image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.policies.history import past
from il_robot.policies.inputs import Inputs, state_of
from il_robot.policies.network import Batch
from il_robot.training.alignment import joints_of, objects_of
from il_robot.training.damaged import told_to_prune
from il_robot.training.frames import Frames
from il_robot.training.plausible import actions_of, positions_of
from il_robot.training.sampling import Indices, drawn_windows, which_windows
from il_robot.training.statistics import Statistics
from il_robot.training.usable import hindrances
from il_robot.types import Floats, Image


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


def history_begins(ends: Indices, good: NDArray[np.bool_]) -> Indices:
    """(T,) for each step, the first step of those without a break before it: same driver, nothing missing.

    A policy's memory is reset where the driver changes, and a frame that was not there was not seen.
    """
    breaks = np.flatnonzero((np.diff(ends) != 0) | ~good[1:] | ~good[:-1])
    bounds = np.concatenate([[0], breaks + 1])
    begins: Indices = bounds[np.searchsorted(bounds, np.arange(len(ends)), side="right") - 1].astype(np.int64)
    return begins


@dataclass(frozen=True)
class Rows:
    """All steps of several episodes, one after another."""

    episodes: tuple[str, ...]
    episode_N: Indices
    """Which episode a row belongs to."""
    step_N: Indices
    """Which step of it."""
    state_NS: Floats
    """NaN where the row's rig lacks a joint or object."""
    action_NJ: Floats
    """NaN where the row's rig lacks a joint."""
    begin_N: Indices
    """The row at which the history of a window that begins here begins."""
    end_N: Indices
    """The row at which a chunk that begins here must stop."""
    starts: Indices
    """Rows at which a window may begin."""
    left_out: tuple[Mapping[str, int], ...]
    """Of each episode: why at its other steps none begins -> at how many; each counts once."""

    def where(self, row: int) -> str:
        """The row in words."""
        return f"episode {self.episodes[self.episode_N[row]]} step {self.step_N[row]}"


def gather(episodes: Sequence[Episode], inputs: Inputs, *, needed: bool = True) -> Rows:
    """The rows of ``episodes``. Raises BadInput when nothing in them can be imitated, though that is ``needed``."""
    states, actions, begins, ends, good, left_out = [], [], [], [], [], []
    offset = 0
    for episode in episodes:
        with told_to_prune():
            qpos_TJ = joints_of(episode, positions_of(episode), inputs)
            states.append(state_of(qpos_TJ, objects_of(episode, inputs), inputs))
            actions.append(joints_of(episode, actions_of(episode), inputs))
            ends.append(offset + segment_ends(episode.mode, episode.intervention))
            bad = hindrances(episode, states[-1], inputs)
            good.append(~np.any(list(bad.values()), axis=0))
            left_out.append({reason: int(steps_T.sum()) for reason, steps_T in bad.items() if steps_T.any()})
            begins.append(offset + history_begins(ends[-1], good[-1]))
        offset += len(episode.qpos)
    starts = np.flatnonzero(np.concatenate(good)) if good else np.empty(0, np.int64)
    if needed and not len(starts):
        names = ", ".join(episode.id for episode in episodes[:3]) or "none"
        many = counted(len(episodes), "episode")
        raise BadInput(f"nothing to imitate in {many} ({names} ...): no valid step driven by a human")
    lengths = [len(state) for state in states]
    return Rows(
        episodes=tuple(episode.id for episode in episodes),
        episode_N=np.repeat(np.arange(len(lengths)), lengths),
        step_N=np.concatenate([np.arange(length) for length in lengths]),
        state_NS=np.concatenate(states),
        action_NJ=np.concatenate(actions),
        begin_N=np.concatenate(begins),
        end_N=np.concatenate(ends),
        starts=starts,
        left_out=tuple(left_out),
    )


def check_chunk(rows: Rows, chunk_size: int) -> None:
    """Raises BadInput when no demonstration has room for a whole chunk."""
    longest = int((rows.end_N - np.arange(len(rows.end_N)))[rows.starts].max())
    if not 1 <= chunk_size <= longest:
        raise BadInput(f"chunk size {chunk_size}: allowed: 1 to {longest}, the length of the longest demonstration")


class Windows:
    """Batches of windows over :class:`Rows`, normalised."""

    def __init__(
        self,
        rows: Rows,
        images_NHWC: Mapping[str, Image | Frames],
        statistics: Statistics,
        chunk_size: int,
        share_N: Floats | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        """``images_NHWC``: camera name -> the training images of all rows; ``inputs`` tells of histories, if any.

        ``share_N``: how often each window is to be seen, relative to the others; None: all once per epoch.
        """
        self.rows = rows
        self._images_NHWC = images_NHWC
        # What a rig lacks reads as the mean, as a network that never saw it would guess.
        self._state_NS = np.nan_to_num(statistics.normalise_state(rows.state_NS), nan=0.0)
        self._action_NJ = statistics.normalise_action(rows.action_NJ)
        absent_NJ = np.isnan(self._action_NJ)
        self._absent_NJ = absent_NJ if absent_NJ.any() else None
        self._action_NJ[absent_NJ] = 0.0
        self._ahead_k = np.arange(chunk_size)
        self._history = 1 if inputs is None else inputs.history
        self._frames = {} if inputs is None else {camera.name: camera.frames for camera in inputs.cameras}
        self._cumulative_N = None if share_N is None else np.cumsum(share_N, dtype=np.float64) / np.sum(share_N)

    def __len__(self) -> int:
        return len(self.rows.starts)

    def batch(self, which: Indices, *, images: bool = True) -> Batch:
        """The windows number ``which`` (B,) of ``len(self)``; without ``images``, which may have to be decoded."""
        row_B = self.rows.starts[which]
        row_Bk = row_B[:, None] + self._ahead_k
        pad_Bk = row_Bk >= self.rows.end_N[row_B, None]
        action_BkJ = self._action_NJ[np.where(pad_Bk, row_B[:, None], row_Bk)]
        action_BkJ[pad_Bk] = 0.0
        seen = {
            name: torch.from_numpy(image_NHWC[self._seen(row_B, self._frames.get(name, 1))])
            for name, image_NHWC in (self._images_NHWC.items() if images else ())
        }
        state_BS = self._state_NS[self._seen(row_B, self._history)].reshape(len(row_B), -1)
        return Batch(
            torch.from_numpy(state_BS),
            seen,
            torch.from_numpy(action_BkJ),
            torch.from_numpy(pad_Bk),
            None if self._absent_NJ is None else torch.from_numpy(self._absent_NJ[row_B]),
        )

    def _seen(self, row_B: Indices, count: int) -> Indices:
        """(B,) the rows themselves, or (B, count) the newest rows of each."""
        return row_B if count == 1 else past(row_B, self.rows.begin_N[row_B], count)

    def choose(self, batch: int, step: int, seed: int) -> Indices:
        """(batch,) the windows of a training step: shuffled epochs, or drawn by their shares where there are some."""
        if self._cumulative_N is None:
            return which_windows(len(self), batch, step, seed)
        return drawn_windows(self._cumulative_N, batch, step, seed)

    def most_extreme(self, which: Indices) -> tuple[str, float]:
        """Of the windows number ``which`` the one with the farthest state or action: which step it is, and how many
        standard deviations from the mean."""
        batch = self.batch(which, images=False)
        size_B = torch.maximum(batch.state_BS.abs().amax(1), batch.action_BkJ.abs().amax((1, 2)))
        worst = int(size_B.argmax())
        return self.rows.where(int(self.rows.starts[which[worst]])), float(size_B[worst])
