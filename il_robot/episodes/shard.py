"""One camera's frames on disk: zarr v3 shards with the index at the start, valid after every frame.

A shard is ``[index of FRAMES_PER_SHARD (offset, nbytes) pairs, crc32c, gap to a page, frame, frame, ...]``
where a frame is a JPEG followed by its crc32c, which is what zarr's inner codecs ``jpeg, crc32c`` say.
Because the index lies in one page and a frame is written before the index that names it, a process
killed at any moment leaves a shard any zarr reader can read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from il_robot.episodes.disk import write_at
from il_robot.episodes.jpeg_codec import codec_metadata
from il_robot.episodes.layout import FRAMES_PER_SHARD, CameraInfo
from il_robot.episodes.location import file_size, read_range
from il_robot.errors import BadInput, unread

EMPTY = 2**64 - 1
"""Offset and length of a frame that is not there."""
INDEX_BYTES = FRAMES_PER_SHARD * 16 + 4
DATA_START = 4096
CRC_BYTES = 4


def shard_path(episode: Path, camera: str, number: int) -> Path:
    return episode / "images" / camera / "c" / str(number) / "0" / "0" / "0"


def images_metadata(camera: CameraInfo, steps: int) -> dict[str, Any]:
    """The ``zarr.json`` of ``images/<camera>``: uint8 (T, H, W, 3)."""
    image = [camera.height, camera.width, 3]
    index_codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {
        "chunk_shape": [1, *image],
        "codecs": [codec_metadata(camera.quality), {"name": "crc32c"}],
        "index_codecs": index_codecs,
        "index_location": "start",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [steps, *image],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [FRAMES_PER_SHARD, *image]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": ["step", "height", "width", "channel"],
        "attributes": {},
    }


def reserve_bytes(camera: CameraInfo) -> int:
    """What a full shard may need: a JPEG of quality 90-95 takes about an eighth of the raw pixels."""
    return DATA_START + FRAMES_PER_SHARD * max(4096, camera.height * camera.width * 3 // 8)


class ShardWriter:
    """Appends frames to one shard file whose blocks were reserved beforehand."""

    def __init__(self, path: Path, reserve: int) -> None:
        """Create the file. Raises OSError when the disk cannot hold ``reserve`` bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._index = np.full((FRAMES_PER_SHARD, 2), EMPTY, "<u8")
        self._end = DATA_START
        part = path.with_name(path.name + ".part")
        self._fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(self._fd, 0, reserve)
            self._write_index()
            part.rename(path)
        except OSError:
            os.close(self._fd)
            part.unlink(missing_ok=True)
            raise

    def append(self, slot: int, jpeg: bytes) -> tuple[int, int]:
        """Write the frame of ``slot`` in [0, FRAMES_PER_SHARD); its (offset, nbytes), the checksum included."""
        crc = crc32c(jpeg).to_bytes(CRC_BYTES, "little")
        offset = self._end
        nbytes = write_at(self._fd, [jpeg, crc], offset)
        self._end = offset + nbytes
        self.point(slot, offset, nbytes)
        return offset, nbytes

    def point(self, slot: int, offset: int, nbytes: int) -> None:
        """Let ``slot`` show a frame that lies in this shard already."""
        self._index[slot] = offset, nbytes
        self._write_index()

    def seal(self) -> None:
        """Give the reserve back and close the file."""
        os.ftruncate(self._fd, self._end)
        os.close(self._fd)

    def duplicate(self) -> int:
        """A second descriptor of the file, to be closed by the caller."""
        return os.dup(self._fd)

    @property
    def settled(self) -> tuple[int, int]:
        """The bytes (begin, end), whole pages of frames, that are not written again: neither index nor last page."""
        return DATA_START, self._end // DATA_START * DATA_START

    def _write_index(self) -> None:
        write_at(self._fd, [index_page(self._index)], 0)


def index_page(index: NDArray[np.uint64]) -> bytes:
    """The first bytes of a shard: (FRAMES_PER_SHARD, 2) offsets and lengths, then their crc32c."""
    table = index.astype("<u8", copy=False).tobytes()
    return table + crc32c(table).to_bytes(CRC_BYTES, "little")


def read_index(path: Path) -> NDArray[np.uint64]:
    """(FRAMES_PER_SHARD, 2) offsets and lengths, checked against the file's size. Raises BadInput."""
    try:
        page = read_range(path, 0, INDEX_BYTES)
        size = file_size(path)
    except OSError as error:
        raise unread(error, f"{path}: {error.strerror}: the episode lacks these frames") from None
    if len(page) != INDEX_BYTES or crc32c(page[:-CRC_BYTES]) != int.from_bytes(page[-CRC_BYTES:], "little"):
        raise BadInput(f"{path}: the shard's index is damaged (checksum does not match)")
    index = np.frombuffer(page[:-CRC_BYTES], "<u8").reshape(FRAMES_PER_SHARD, 2)
    there = index[index[:, 0] != EMPTY]
    if len(there) and (there.min() > size or there.max() > size or (there.sum(axis=1) > size).any()):
        raise BadInput(f"{path}: the index names bytes beyond the file's end: it was cut off")
    return index


def read_frame(path: Path, offset: int, nbytes: int) -> memoryview:
    """The JPEG at ``offset``, its checksum verified and removed. Raises BadInput."""
    try:
        raw = memoryview(read_range(path, offset, nbytes))
    except OSError as error:
        raise unread(error, f"{path}: {error.strerror}") from None
    jpeg = raw[:-CRC_BYTES]
    if len(raw) != nbytes or crc32c(jpeg) != int.from_bytes(raw[-CRC_BYTES:], "little"):
        raise BadInput(f"{path}: the frame at byte {offset} is damaged (checksum does not match)")
    return jpeg
