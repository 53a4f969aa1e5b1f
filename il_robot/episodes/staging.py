"""Adds episodes to a dataset so that an interruption leaves either a whole episode or none.

An episode is made in ``DATASET/.part/`` and renamed into its place when it is complete and on the medium. A rename
within one file system is atomic; what an interruption leaves in ``.part`` is thrown away by the next attempt.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from il_robot.counted import counted
from il_robot.episodes.columns import columns
from il_robot.episodes.completion import sync_folder
from il_robot.episodes.layout import SUFFIX, Validity, check_episode_id
from il_robot.episodes.location import fetch_folder
from il_robot.episodes.reader import Episode
from il_robot.episodes.recording import Recording
from il_robot.errors import BadInput, Fault
from il_robot.types import Frame

_PART = ".part"


class AlreadyThere(BadInput):
    """The dataset has an episode of this name."""


@contextmanager
def staged(dataset: Path, name: str) -> Iterator[Path]:
    """A folder to make the episode ``name`` in; it moves to ``dataset`` when the block ends without an error.

    Raises AlreadyThere when the dataset has an episode of this name, BadInput when it is no name, Fault when the disk
    fails.
    """
    check_episode_id(name)
    target, part = dataset / f"{name}{SUFFIX}", dataset / _PART
    try:
        dataset.mkdir(parents=True, exist_ok=True)
        with _alone(dataset):
            if target.exists():  # Perhaps only since this process has its turn.
                raise AlreadyThere(f"{target}: there already")
            shutil.rmtree(part, ignore_errors=True)
            try:
                part.mkdir()
                yield part
                sync_folder(part / target.name)
                (part / target.name).rename(target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise Fault(f"{target}: cannot be written: {error.strerror}") from None


def clear_remains(dataset: Path) -> None:
    """Throw away what an interruption left of an episode being made."""
    if (dataset / _PART).exists():
        with _alone(dataset):
            shutil.rmtree(dataset / _PART, ignore_errors=True)


@contextmanager
def _alone(dataset: Path) -> Iterator[None]:
    """Waits until no other process makes an episode in ``dataset``: ``.part`` would be taken for remains."""
    fd = os.open(dataset, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def copy_episode(episode: Path, dataset: Path, name: str) -> None:
    """A copy of the folder ``episode``, which may lie at a URL, in ``dataset``, called ``name``."""
    with staged(dataset, name) as folder:
        fetch_folder(episode, folder / f"{name}{SUFFIX}")


def copy_steps(episode: Episode, first: int, end: int, dataset: Path, name: str) -> None:
    """Steps ``first`` to ``end`` (excluded) of ``episode`` as an episode of their own, frames byte for byte.

    Where they come from is noted in ``info.configuration["cut"]``.
    """
    if not 0 <= first < end <= episode.steps:
        raise BadInput(f"{episode.path}: steps {first}..{end} are not within its {counted(episode.steps, 'step')}")
    cut = {"cut": cut_of(episode, first, end)}
    info = replace(episode.info, configuration={**episode.info.configuration, **cut})
    arrays = {column.path: episode.array(column.path)[first:end] for column in columns(info)}
    with staged(dataset, name) as folder:
        recording = Recording(folder, info, name, minimum_s=(end - first) / info.fps)
        for t in range(first, end):
            row = np.zeros(1, recording.dtype)
            for path, values in arrays.items():
                row[path] = values[t - first]
            recording.write(row, [_frame(episode, c, t) for c in range(len(info.cameras))])
        recording.finish(episode.outcome)
        recording.settle(sync=False)


def cut_of(episode: Episode, first: int, end: int) -> dict[str, str | int]:
    """How a cut notes where it comes from."""
    return {"episode": episode.id, "first": first, "end": end}


def _frame(episode: Episode, c: int, t: int) -> Frame | None:
    camera = episode.info.camera_names[c]
    if episode.validity(camera)[t] == Validity.MISSING:
        return None
    stamp, sequence = int(episode.camera_ns[t, c]), int(episode.camera_sequence[t, c])
    return Frame(episode.frame_jpeg(camera, t), stamp, sequence)
