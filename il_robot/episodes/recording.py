"""The part of the writer that touches the disk: one episode, step after step, in the calling thread."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from il_robot.episodes.attributes import write_attributes, write_json
from il_robot.episodes.columns import columns, row_dtype, write_arrays, write_chunk
from il_robot.episodes.journal import Journal
from il_robot.episodes.jpeg_codec import size_of
from il_robot.episodes.layout import (
    FRAMES_PER_SHARD,
    JOURNAL,
    RESERVE,
    ROWS_PER_CHUNK,
    SUFFIX,
    CameraInfo,
    EpisodeInfo,
    Outcome,
    Recorded,
    Validity,
)
from il_robot.episodes.losses import Tally
from il_robot.episodes.shard import ShardWriter, images_metadata, reserve_bytes, shard_path
from il_robot.errors import BadInput, Fault
from il_robot.types import Frame

_MEGABYTE = 1_000_000
_TRAILER = 4096
"""Cameras pad their JPEG to a block: the end mark is looked for in so many last bytes."""


class CameraTrack:
    """The shards of one camera, and which frame the last step showed."""

    def __init__(self, episode: Path, camera: CameraInfo) -> None:
        self._episode = episode
        self._camera = camera
        self._number = -1
        self._shard: ShardWriter | None = None
        self._shown: tuple[Frame, int, int] | None = None

    def open_shard(self, number: int) -> ShardWriter:
        """The shard ``number``, created with its reserve when it is the next one."""
        if self._shard is None or number != self._number:
            self.seal()
            self._shard = ShardWriter(shard_path(self._episode, self._camera.name, number), reserve_bytes(self._camera))
            self._number = number
        return self._shard

    def write(self, step: int, frame: Frame | None) -> tuple[Validity, int, int]:
        """Store the frame of ``step``; its validity and its (offset, nbytes) in the step's shard."""
        number, slot = divmod(step, FRAMES_PER_SHARD)
        rolled = number != self._number
        shard = self.open_shard(number)
        if frame is None or not self._is_whole(frame.jpeg):
            return Validity.MISSING, 0, 0
        before = self._shown
        repeated = before is not None and (before[0].sequence, before[0].time_ns) == (frame.sequence, frame.time_ns)
        if before is not None and repeated and not rolled:
            _, offset, nbytes = before
            shard.point(slot, offset, nbytes)
        else:
            offset, nbytes = shard.append(slot, frame.jpeg)
        self._shown = frame, offset, nbytes
        return (Validity.REPEATED if repeated else Validity.FRESH), offset, nbytes

    def seal(self) -> None:
        """Close the shard being written, if any."""
        if self._shard is not None:
            self._shard.seal()
            self._shard = None

    def _is_whole(self, jpeg: bytes) -> bool:
        """False for a JPEG cut off on its way here. Raises Fault for one of another size."""
        try:
            height, width = size_of(jpeg)
        except ValueError:
            return False
        camera = self._camera
        if (height, width) != (camera.height, camera.width):
            raise Fault(f"camera {camera.name} sends {width}x{height}, the rig says {camera.width}x{camera.height}")
        return jpeg.find(b"\xff\xd9", max(0, len(jpeg) - _TRAILER)) >= 0


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
        self._journal = Journal(self.path, self.dtype, create=True)
        self._tracks = [CameraTrack(self.path, camera) for camera in info.cameras]
        self._valid_begin = len(info.followers)
        try:
            hold_reserve(self.path, info)
            write_attributes(self.path, info, Recorded())
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
        self._journal.append(self.steps, row)
        self.steps += 1
        self.tally.add(row)
        if self.steps % ROWS_PER_CHUNK == 0:
            first = self.steps - ROWS_PER_CHUNK
            write_chunk(self.path, self.info, first // ROWS_PER_CHUNK, self._journal.read(first, self.steps))

    def finish(self, outcome: Outcome, fault: str) -> None:
        """Turn the recording into a complete episode of all steps written."""
        for track in self._tracks:
            track.seal()
        first = self.steps - self.steps % ROWS_PER_CHUNK
        rest = self._journal.read(first, self.steps)
        recorded = Recorded(self.steps, complete=True, outcome=outcome, fault=fault, losses=self.tally.losses)
        complete(self.path, self.info, recorded, rest)
        (self.path / JOURNAL).unlink()
        self._journal.close()

    def abandon(self) -> None:
        """Let go of the files as they are: recovery can finish the episode."""
        for track in self._tracks:
            track.seal()
        self._journal.close()

    def discard(self) -> None:
        """Throw the episode away."""
        self.abandon()
        doomed = self.path.with_name(f".discarded-{self.path.name}")
        self.path.rename(doomed)
        shutil.rmtree(doomed)


def complete(episode: Path, info: EpisodeInfo, recorded: Recorded, rest: NDArray[Any]) -> None:
    """Write what makes a complete episode out of full chunks and ``rest``, the rows after them."""
    (episode / RESERVE).unlink(missing_ok=True)
    if len(rest):
        write_chunk(episode, info, recorded.steps // ROWS_PER_CHUNK, rest)
    write_arrays(episode, info, recorded.steps)
    for camera in info.cameras:
        write_json(episode / "images" / camera.name / "zarr.json", images_metadata(camera, recorded.steps))
    if info.cameras:
        write_json(episode / "images" / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}})
    write_attributes(episode, info, recorded)


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
    """Take the blocks that :func:`complete` will need, so that a full disk cannot keep an episode from closing."""
    files = 3 * (len(columns(info)) + len(info.cameras) + 4)
    need = ROWS_PER_CHUNK * row_dtype(info).itemsize + files * 2 * 4096
    with (episode / RESERVE).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, need)


def _new_folder(dataset: Path, episode_id: str | None) -> Path:
    """An empty folder of a new name: the given one, or the time, which sorts episodes as they were recorded."""
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
