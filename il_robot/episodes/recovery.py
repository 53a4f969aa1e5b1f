"""Turns what a killed recorder left into a complete episode. Doing it twice changes nothing."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.attributes import read_attributes
from il_robot.episodes.columns import row_dtype, write_chunk
from il_robot.episodes.completion import complete, prepare, sync_folder
from il_robot.episodes.journal import Journal
from il_robot.episodes.layout import (
    FRAMES_PER_SHARD,
    JOURNAL,
    RESERVE,
    ROWS_PER_CHUNK,
    SUFFIX,
    EpisodeInfo,
    Recorded,
    Validity,
)
from il_robot.episodes.losses import Tally
from il_robot.episodes.shard import DATA_START, EMPTY, index_page, read_frame, shard_path
from il_robot.errors import BadInput, Fault


@dataclass(frozen=True)
class Recovery:
    """What :func:`recover` did to one episode."""

    episode: str
    state: Literal["untouched", "recovered", "removed"]
    """Untouched: it was complete. Removed: it held no step."""
    steps: int
    damaged_frames: int = 0
    """Frames that did not reach the disk (power loss); their steps are marked missing."""


def recover(episode: Path, *, cut: bool = False) -> Recovery:
    """Complete the episode from its journal; with ``cut`` also where that loses steps after a damaged one.

    Raises Fault while it is being recorded, when the disk is full, or when steps would be lost; BadInput when it is
    not an episode.
    """
    try:
        if _never_begun(episode):
            shutil.rmtree(episode)
            return Recovery(episode.name, "removed", 0)
        info, recorded = read_attributes(episode)
        if not (episode / JOURNAL).exists():
            if not recorded.complete:
                raise BadInput(f"{episode}: neither complete nor with a journal: nothing to recover it from")
            if (episode / RESERVE).exists():  # To remove what is not there fails, too, where nothing can be written.
                (episode / RESERVE).unlink(missing_ok=True)
            return Recovery(episode.name, "untouched", recorded.steps)
        with closing(Journal(episode, row_dtype(info))) as journal:
            return _with_journal(episode, info, recorded, journal, cut)
    except OSError as error:
        raise Fault(f"{episode}: cannot be recovered: {error.strerror}") from None


def _never_begun(episode: Path) -> bool:
    """Whether its recorder was killed while it made the folder, before there was anything to be lost."""
    if episode.suffix != SUFFIX or not episode.is_dir():
        return False
    found = {path.name: path for path in episode.iterdir()}
    if not found.keys() <= {JOURNAL, RESERVE, "zarr.json.part"}:
        return False
    if JOURNAL not in found:
        return True
    with closing(Journal(episode, np.dtype(np.uint8))):  # not while its recorder lives
        return found[JOURNAL].stat().st_size == 0


def _with_journal(episode: Path, info: EpisodeInfo, recorded: Recorded, journal: Journal, cut: bool) -> Recovery:
    # Nothing is changed before it is known that nothing is lost, and rows are not kept until then: memory would grow
    # with the episode. The journal is read twice for that, which is a hundredth of the work: frames are the rest.
    whole = sum(map(len, journal.chunks()))
    if recorded.complete and whole < recorded.steps:
        # It was complete before the journal came to harm, which then is only a remnant.
        journal.path.unlink()
        return Recovery(episode.name, "untouched", recorded.steps)
    later = journal.whole_after(whole)
    if later and not cut:
        raise Fault(
            f"{episode}: step {whole} is damaged in {JOURNAL}, but {later} after it are whole; nothing was changed: "
            f"--cut keeps the {whole} before it and loses the others"
        )
    return _from_journal(episode, info, recorded, journal)


def _from_journal(episode: Path, info: EpisodeInfo, recorded: Recorded, journal: Journal) -> Recovery:
    tally, mender = Tally(info), _IndexMender(episode, info)
    steps, rest = 0, np.empty(0, journal.dtype)
    for chunk in journal.chunks():
        rows = mender.check(steps, chunk.copy())
        for row in rows:
            tally.add(row)
        if len(rows) == ROWS_PER_CHUNK:
            write_chunk(episode, info, steps // ROWS_PER_CHUNK, rows)
        else:
            rest = rows
        steps += len(rows)
    mender.finish()
    if steps == 0:
        shutil.rmtree(episode)
        return Recovery(episode.name, "removed", 0)
    if not recorded.complete:
        recorded = replace(recorded, recovered=not recorded.fault, fault=recorded.fault or "the recorder was killed")
    prepare(episode, info)
    complete(episode, info, replace(recorded, steps=steps, complete=True, losses=tally.losses), rest)
    sync_folder(episode)  # before the journal goes, from which all of it could be made again
    journal.path.unlink()
    return Recovery(episode.name, "recovered", steps, mender.damaged)


class _IndexMender:
    """Makes every shard's index say exactly what the journal says, frame by frame."""

    def __init__(self, episode: Path, info: EpisodeInfo) -> None:
        self._episode = episode
        self._cameras = info.camera_names
        self._first = len(info.followers)
        self._shard = -1
        self._tables: NDArray[np.uint64] = np.empty((0, FRAMES_PER_SHARD, 2), np.uint64)
        self.damaged = 0

    def check(self, begin: int, rows: NDArray[Any]) -> NDArray[Any]:
        """``rows`` from step ``begin`` on, with frames that are not whole on disk marked as missing."""
        if not self._cameras:
            return rows
        for i, row in enumerate(rows):
            shard, slot = divmod(begin + i, FRAMES_PER_SHARD)
            if shard != self._shard:
                self.finish()
                self._shard = shard
                self._tables = np.full((len(self._cameras), FRAMES_PER_SHARD, 2), EMPTY, np.uint64)
            for c, camera in enumerate(self._cameras):
                if row["control/valid"][self._first + c] == Validity.MISSING:
                    continue
                place = int(row["frame_offset"][c]), int(row["frame_nbytes"][c])
                try:
                    read_frame(shard_path(self._episode, camera, shard), *place)
                    self._tables[c, slot] = place
                except BadInput:
                    row["control/valid"][self._first + c] = Validity.MISSING
                    row["time/camera_ns"][c] = row["time/camera_sequence"][c] = 0
                    self.damaged += 1
        return rows

    def finish(self) -> None:
        """Write the indexes of the shard looked at last, and cut its files to their frames."""
        if self._shard < 0:
            return
        for camera, table in zip(self._cameras, self._tables, strict=True):
            there = table[table[:, 0] != EMPTY]
            end = int(there.sum(axis=1).max()) if len(there) else DATA_START
            path = shard_path(self._episode, camera, self._shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(fd, index_page(table), 0)
                os.ftruncate(fd, end)
            finally:
                os.close(fd)
