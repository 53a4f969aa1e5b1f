"""The part of the writer that touches the disk: one episode, step after step, in the calling thread."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from il_robot.episodes.attributes import write_attributes
from il_robot.episodes.columns import columns, row_dtype, write_chunk
from il_robot.episodes.completion import complete, prepare, sync_folder
from il_robot.episodes.disk import sync_and_forget
from il_robot.episodes.journal import Journal
from il_robot.episodes.layout import (
    FRAMES_PER_SHARD,
    JOURNAL,
    RESERVE,
    ROWS_PER_CHUNK,
    SUFFIX,
    EpisodeInfo,
    Outcome,
    Recorded,
    Validity,
    check_episode_id,
)
from il_robot.episodes.losses import Tally
from il_robot.episodes.recovery import recover
from il_robot.episodes.shard import reserve_bytes
from il_robot.episodes.track import CameraTrack
from il_robot.errors import BadInput, Fault
from il_robot.types import Frame

_MEGABYTE = 1_000_000
_DISCARDED = ".discarded-"


class Recording:
    """An episode being written. Every method that writes raises OSError or Fault when the disk fails."""

    def __init__(self, dataset: Path, info: EpisodeInfo, episode_id: str | None, minimum_s: float) -> None:
        """Create the episode's folder, ready for its first step."""
        check_space(dataset, info, minimum_s)
        self.info = info
        self.dtype = row_dtype(info)
        self.path = _new_folder(dataset, episode_id)
        self.steps = 0
        self.tally = Tally(info)
        self._folder = self.path.stat()
        self._journal = Journal(self.path, self.dtype, create=True)
        self._files = threading.Lock()
        self._open = True
        self._tracks = [CameraTrack(self.path, camera, self._files) for camera in info.cameras]
        self._valid_begin = len(info.followers)
        try:
            hold_reserve(self.path, info)
            write_attributes(self.path, info, Recorded())
            prepare(self.path, info)
            for track in self._tracks:
                track.open_shard(0)
        except OSError as error:
            self.discard()
            raise Fault(f"{self.path}: cannot start an episode: {error.strerror}") from None

    def write(self, row: NDArray[Any], frames: Sequence[Frame | None]) -> None:
        """Store the next step: first its frames, then its row (1,), which commits it."""
        for c, (track, frame) in enumerate(zip(self._tracks, frames, strict=True)):
            validity, offset, nbytes = track.write(self.steps, frame)
            row["control/valid"][0, self._valid_begin + c] = validity
            row["frame_offset"][0, c] = offset
            row["frame_nbytes"][0, c] = nbytes
            if validity == Validity.MISSING:
                row["time/camera_ns"][0, c] = row["time/camera_sequence"][0, c] = 0
        self._journal.append(self.steps, row)
        self.steps += 1
        self.tally.add(row)
        if self.steps % FRAMES_PER_SHARD == 0:
            self._check_there()
        if self.steps % ROWS_PER_CHUNK == 0:
            first = self.steps - ROWS_PER_CHUNK
            write_chunk(self.path, self.info, first // ROWS_PER_CHUNK, self._journal.read(first, self.steps))

    def finish(self, outcome: Outcome) -> None:
        """Turn the recording into a complete episode; :meth:`settle` is due afterwards."""
        for track in self._tracks:
            track.seal()
        self._check_there()
        first = self.steps - self.steps % ROWS_PER_CHUNK
        rest = self._journal.read(first, self.steps)
        recorded = Recorded(self.steps, complete=True, outcome=outcome, losses=self.tally.losses)
        complete(self.path, self.info, recorded, rest)

    def rescue(self, outcome: Outcome, fault: str) -> None:
        """Make a complete episode of what was acknowledged before ``fault`` ended it, trusting only the disk."""
        for track in self._tracks:
            track.seal()
        self._close_journal()
        self._check_there()
        (self.path / RESERVE).unlink(missing_ok=True)
        write_attributes(self.path, self.info, Recorded(outcome=outcome, fault=fault))
        recover(self.path)

    def sync(self) -> None:
        """Bring what was written so far to the medium itself (against power loss); safe beside ``write``."""
        with self._files:
            if not self._open:
                return
            copies = [copy for track in self._tracks for copy in track.duplicate()]
            copies.append((self._journal.duplicate(), 0, 0))
        try:
            for fd, begin, end in copies:
                sync_and_forget(fd, begin, end)
        finally:
            for fd, _, _ in copies:
                os.close(fd)

    def settle(self, *, sync: bool) -> None:
        """After ``finish``: bring the episode to the medium if ``sync``, then drop the journal nobody needs now."""
        try:
            if sync:
                sync_folder(self.path)
            (self.path / JOURNAL).unlink()
        except FileNotFoundError:
            pass  # Somebody moved or deleted the finished episode already: it is theirs.
        finally:
            self._close_journal()

    def discard(self) -> None:
        """Throw the episode away."""
        for track in self._tracks:
            track.seal()
        self._close_journal()
        doomed = self.path.with_name(f"{_DISCARDED}{self.path.name}")
        with contextlib.suppress(FileNotFoundError):  # somebody else threw it away
            self.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _check_there(self) -> None:
        """Raises Fault when the folder is gone: written by name, the rest would look like a whole episode."""
        try:
            there = os.path.samestat(self.path.stat(), self._folder)
        except FileNotFoundError:
            there = False
        if not there:
            raise Fault(f"{self.path}: gone: somebody removed or moved the episode while it was recorded")

    def _close_journal(self) -> None:
        with self._files:
            self._open = False
            self._journal.close()


def finish_discards(dataset: Path) -> None:
    """Throw away what a kill left of episodes that were being thrown away."""
    for doomed in dataset.glob(f"{_DISCARDED}*"):
        shutil.rmtree(doomed, ignore_errors=True)


def check_space(dataset: Path, info: EpisodeInfo, minimum_s: float) -> None:
    """Raises Fault when the disk does not hold ``minimum_s`` of such an episode, BadInput when there is no folder."""
    try:
        dataset.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(dataset).free
    except OSError as error:
        raise BadInput(f"{dataset}: {error.strerror}: cannot keep episodes there") from None
    frames = sum(reserve_bytes(camera) for camera in info.cameras)
    shards = max(1.0, minimum_s * info.fps / FRAMES_PER_SHARD)
    need = round(shards * frames + minimum_s * info.fps * row_dtype(info).itemsize * 2) + _MEGABYTE
    if free < need:
        raise Fault(
            f"{dataset}: {free / _MEGABYTE:.0f} MB free, but {minimum_s:g} s of this rig may take "
            f"{need / _MEGABYTE:.0f} MB: free some space"
        )


def hold_reserve(episode: Path, info: EpisodeInfo) -> None:
    """Take the blocks that completing will need, so that a full disk cannot keep an episode from closing."""
    files = 3 * (len(columns(info)) + len(info.cameras) + 4)
    need = ROWS_PER_CHUNK * row_dtype(info).itemsize + files * 2 * 4096
    with (episode / RESERVE).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, need)


def _new_folder(dataset: Path, episode_id: str | None) -> Path:
    """An empty folder of a new name: the given one, or the time, which sorts episodes as they were recorded."""
    if episode_id is not None:
        check_episode_id(episode_id)
    now = datetime.now(UTC)
    stem = episode_id or f"{now:%Y%m%dT%H%M%S}_{now.microsecond // 1000:03d}"
    for attempt in range(1000):
        path = dataset / f"{stem if attempt == 0 else f'{stem}_{attempt}'}{SUFFIX}"
        try:
            path.mkdir()
        except FileExistsError:
            if episode_id:
                raise BadInput(f"{path}: there already") from None
            continue
        except OSError as error:
            raise Fault(f"{path}: {error.strerror}") from None
        return path
    raise Fault(f"{dataset}: a thousand episodes within one millisecond: is the clock standing still?")
