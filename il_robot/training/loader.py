"""The batches of a run, in order: made here, or by worker processes ahead of time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator
from dataclasses import dataclass

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from il_robot.errors import Fault, IlRobotError
from il_robot.policies.network import Batch
from il_robot.training.sampling import Indices
from il_robot.training.windows import Windows

AHEAD = 2
"""Batches that each worker has ready."""


@dataclass(frozen=True)
class Choice:
    """Which windows each training step takes; with several processes, which part of them this one takes."""

    windows: Windows
    batch: int
    seed: int
    rank: int = 0
    world: int = 1

    def at(self, step: int) -> Indices:
        """This process's windows of training step ``step``."""
        part = self.batch // self.world
        return self.windows.choose(self.batch, step, self.seed)[self.rank * part : (self.rank + 1) * part]


class _Steps(Dataset[Batch | IlRobotError]):
    """Training step -> its batch. An error is handed over as a value: raised, it would arrive as a traceback."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice

    def __getitem__(self, step: int) -> Batch | IlRobotError:
        try:
            return self._choice.windows.batch(self._choice.at(step))
        except IlRobotError as error:
            return error


def _quiet_worker(number: int) -> None:
    # Ctrl-C reaches every process of a terminal; only the one that trains answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def processes(workers: int) -> int:
    """How many decode where ``workers`` are asked for: one a core at most, for more would only wait for each other."""
    return min(workers, len(os.sched_getaffinity(0)))


def batches(choice: Choice, first: int, last: int, workers: int, pinned: bool = False) -> Generator[Batch]:
    """The batches of steps ``first`` to ``last - 1``, whatever the number of workers.

    ``pinned`` memory is copied to a GPU without a detour. Raises BadInput for a damaged frame and Fault when a
    worker dies.
    """
    if workers == 0:
        for step in range(first, last):
            batch = choice.windows.batch(choice.at(step))
            yield batch.pin_memory() if pinned else batch
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    loader = DataLoader(
        _Steps(choice),
        batch_size=None,
        sampler=range(first, last),
        num_workers=processes(workers),
        prefetch_factor=AHEAD,
        generator=torch.Generator(),  # Its own: a draw from the global one would change what a resumed run learns.
        multiprocessing_context=context,
        worker_init_fn=_quiet_worker,
        pin_memory=pinned,
    )
    try:
        for made in loader:
            if isinstance(made, IlRobotError):
                raise made
            yield made
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise Fault(f"a process that decodes images died ({str(error).splitlines()[0]}); try fewer --workers") from None
