"""The low-dimensional arrays of an episode: one row per step while recording, plain zarr arrays afterwards.

Axes: T steps, J joints, A followers, C cameras, S streams (A + C).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.layout import ROWS_PER_CHUNK, EpisodeInfo
from il_robot.episodes.location import read_range
from il_robot.errors import BadInput, unread

CRC_BYTES = 4


@dataclass(frozen=True)
class Column:
    """One array (T, *shape)."""

    path: str
    """Inside the group, e.g. ``observations/qpos``."""
    dtype: str
    shape: tuple[int, ...]
    """Per step."""
    dimensions: tuple[str, ...]
    """Names of the axes after T."""

    @property
    def row_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=int))


def columns(info: EpisodeInfo) -> tuple[Column, ...]:
    """All arrays an episode like this has; an axis of length zero means no array."""
    J, A, C = len(info.joints), len(info.followers), len(info.cameras)
    joint = ("joint",)
    every = [
        Column("observations/qpos", "<f4", (J,), joint),
        Column("observations/qvel", "<f4", (J,), joint),
        Column("observations/effort", "<f4", (J,), joint),
        *(Column(f"observations/objects/{name}", "<f4", (7,), ("pose",)) for name in info.objects),
        Column("action", "<f4", (J,), joint),
        Column("action_asked", "<f4", (J,), joint),
        Column("time/step_ns", "<i8", (), ()),
        Column("time/joint_ns", "<i8", (A,), ("follower",)),
        Column("time/camera_ns", "<i8", (C,), ("camera",)),
        Column("time/camera_sequence", "<i8", (C,), ("camera",)),
        Column("control/mode", "|i1", (), ()),
        Column("control/intervention", "<i4", (), ()),
        Column("control/gate", "|u1", (), ()),
        Column("control/valid", "|u1", (A + C,), ("stream",)),
    ]
    return tuple(column for column in every if 0 not in column.shape)


def row_dtype(info: EpisodeInfo) -> np.dtype[Any]:
    """One step in the journal: a mark, the step's number, every column, where its frames lie, a checksum."""
    C = len(info.cameras)
    return np.dtype(
        [
            ("magic", "<u4"),
            ("step", "<u8"),
            *((column.path, column.dtype, column.shape) for column in columns(info)),
            ("frame_offset", "<u8", (C,)),
            ("frame_nbytes", "<u4", (C,)),
            ("crc", "<u4"),
        ]
    )


def write_chunk(episode: Path, info: EpisodeInfo, number: int, rows: NDArray[Any]) -> None:
    """Write rows ``number * ROWS_PER_CHUNK`` and following (at most a chunk of them) into every array.

    A chunk that is not the first is padded with zeros to full length, as zarr demands; an episode
    shorter than one chunk is stored with a chunk of its own length (see :func:`write_arrays`).
    """
    for column in columns(info):
        values = np.ascontiguousarray(rows[column.path]).tobytes()
        if number > 0:
            values = values.ljust(ROWS_PER_CHUNK * column.row_bytes, b"\0")
        path = chunk_path(episode, column, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(values + crc32c(values).to_bytes(CRC_BYTES, "little"))


def chunk_path(episode: Path, column: Column, number: int) -> Path:
    return episode.joinpath(column.path, "c", str(number), *("0" for _ in column.shape))


def chunk_rows(steps: int) -> int:
    """The chunk length of an episode of so many steps."""
    return max(1, min(steps, ROWS_PER_CHUNK))


def array_metadata(column: Column, steps: int) -> dict[str, Any]:
    """The column's ``zarr.json``."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [steps, *column.shape],
        "data_type": np.dtype(column.dtype).name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [chunk_rows(steps), *column.shape]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "dimension_names": ["step", *column.dimensions],
        "attributes": {},
    }


def write_arrays(episode: Path, info: EpisodeInfo, steps: int) -> None:
    """Write the ``zarr.json`` of every column, once all chunks are there."""
    for column in columns(info):
        path = episode / column.path / "zarr.json"
        path.write_text(json.dumps(array_metadata(column, steps)), encoding="utf-8")


def read_column(episode: Path, column: Column, steps: int) -> NDArray[Any]:
    """(steps, *column.shape). Raises BadInput when a chunk is missing, short or damaged."""
    rows = chunk_rows(steps)
    parts = []
    for number in range(-(-steps // rows)):
        path = chunk_path(episode, column, number)
        expected = rows * column.row_bytes
        try:
            raw = read_range(path, 0, expected + CRC_BYTES + 1)
        except OSError as error:
            why = f"{path}: {error.strerror}: the episode lacks steps from {number * rows} on"
            raise unread(error, why) from None
        if len(raw) != expected + CRC_BYTES:
            raise BadInput(f"{path}: {counted(len(raw), 'byte')} or more where {expected + CRC_BYTES} belong")
        if crc32c(raw[:-CRC_BYTES]) != int.from_bytes(raw[-CRC_BYTES:], "little"):
            raise BadInput(f"{path}: checksum does not match: the file is damaged")
        parts.append(np.frombuffer(raw, column.dtype, count=rows * int(np.prod(column.shape, dtype=int))))
    flat = np.concatenate(parts) if parts else np.empty(0, column.dtype)
    return flat.reshape(-1, *column.shape)[:steps]
