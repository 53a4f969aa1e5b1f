"""What every export shares: the output appears whole or not at all, and missing frames are filled and counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.answer import tracked
from il_robot.episodes.columns import columns
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Outcome, Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, Fault


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder to write in, which becomes ``out`` when the block ends without an error.

    Raises BadInput when ``out`` holds something already, Fault when the disk fails.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out}: there already: give a folder that does not exist or is empty")
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        part.replace(out)
    except OSError as error:
        raise Fault(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def chosen_episodes(dataset: Path, outcome: Outcome | None) -> tuple[list[Episode], dict[str, str]]:
    """The complete episodes of ``dataset``, those of one outcome if given; and which it leaves out, folder -> why.

    Those with a wrong checksum are left out, too. Raises BadInput when there is none.
    """
    whole = Dataset(dataset)
    wanted = [episode for episode in whole if outcome in (None, episode.outcome)]
    if not wanted:
        raise BadInput(f"{dataset}: no episode of outcome {outcome!r}")
    episodes, damage = [], {}
    for episode in tracked(wanted, "checking"):
        try:
            _read_whole(episode)
            episodes.append(episode)
        except BadInput as error:
            damage[str(episode.path)] = str(error)
    if not episodes:
        raise BadInput(f"{dataset}: every episode is damaged: {next(iter(damage.values()))}")
    return episodes, {**whole.left_out_paths, **damage}


def _read_whole(episode: Episode) -> None:
    """Raises BadInput when a checksum is wrong or a piece is missing."""
    for column in columns(episode.info):
        episode.array(column.path)
    for camera in episode.info.camera_names:
        for t in np.flatnonzero(episode.validity(camera) != Validity.MISSING).tolist():
            episode.frame_jpeg(camera, t)


def filled_steps(episode: Episode, camera: str) -> NDArray[np.int64]:
    """(T,) whose frame to show at each step in a format that knows no missing frames: the newest until then.

    Before the first frame it is the first. Raises BadInput when the camera has no frame at all.
    """
    there = episode.validity(camera) != Validity.MISSING
    if not there.any():
        raise BadInput(f"{episode.path}: camera {camera} has no frame in this episode: leave it out")
    newest = np.maximum.accumulate(np.where(there, np.arange(episode.steps), -1))
    return np.where(newest < 0, int(np.argmax(there)), newest)


def missing_frames(episode: Episode) -> int:
    """How many frames :func:`filled_steps` has to make up, over all cameras."""
    return sum(int((episode.validity(camera) == Validity.MISSING).sum()) for camera in episode.info.camera_names)
