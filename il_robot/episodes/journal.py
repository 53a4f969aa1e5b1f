"""The journal of an episode being recorded: fixed-size rows, each the commit mark of its step.

A row is written after the step's frames, so a step whose row is whole is a step that is safe.
The file is locked while its writer lives, which tells a recording from the remains of one.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from il_robot.episodes.disk import write_at
from il_robot.episodes.layout import JOURNAL, ROWS_PER_CHUNK
from il_robot.episodes.location import NO_FILE, open_file
from il_robot.errors import BadInput, Fault

_MAGIC = 0x50455453
"""``STEP`` in ASCII."""
_CRC_BYTES = 4


class Journal:
    """The rows of one episode; hold it open to hold the lock."""

    def __init__(self, episode: Path, dtype: np.dtype[Any], *, create: bool = False) -> None:
        """Open the journal in ``episode`` for writing.

        Raises Fault when another process holds it (the episode is being recorded), BadInput when there is none.
        """
        self.path = episode / JOURNAL
        self.dtype = dtype
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o644)
        except OSError as error:
            raise BadInput(f"{self.path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise BadInput(f"{self.path}: {NO_FILE}")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Fault(f"{episode}: being recorded right now") from None

    def append(self, step: int, row: NDArray[Any]) -> None:
        """Commit ``row`` (shape (1,), of the journal's dtype) as step number ``step``."""
        row["magic"] = _MAGIC
        row["step"] = step
        raw = bytearray(row.tobytes())
        raw[-_CRC_BYTES:] = crc32c(memoryview(raw)[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "little")
        write_at(self._fd, [bytes(raw)], step * self.dtype.itemsize)

    def chunks(self) -> Iterator[NDArray[Any]]:
        """The whole rows from the first on, ROWS_PER_CHUNK at a time, up to the first that is torn."""
        yield from _whole_rows(self._fd, self.dtype)

    def whole_after(self, step: int) -> int:
        """How many rows after that of ``step`` are whole: more than none when a damaged row ended :meth:`chunks`."""
        size, whole, first = self.dtype.itemsize, 0, step + 1
        while raw := os.pread(self._fd, ROWS_PER_CHUNK * size, first * size):
            rows = np.frombuffer(raw, self.dtype, count=len(raw) // size)
            whole += sum(_is_whole(raw, row, i, first + i) for i, row in enumerate(rows))
            first += ROWS_PER_CHUNK
        return whole

    def read(self, begin: int, end: int) -> NDArray[Any]:
        """Rows ``begin`` to ``end``, which must have been appended."""
        size = self.dtype.itemsize
        return np.frombuffer(os.pread(self._fd, (end - begin) * size, begin * size), self.dtype)

    def duplicate(self) -> int:
        """A second descriptor of the file, to be closed by the caller."""
        return os.dup(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def read_journal(episode: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The whole rows so far, without lock: for looking at an episode that is not complete. Raises OSError."""
    fd = open_file(episode / JOURNAL)
    try:
        return np.concatenate([np.empty(0, dtype), *_whole_rows(fd, dtype)])
    finally:
        os.close(fd)


def _whole_rows(fd: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    size, first = dtype.itemsize, 0
    while True:
        raw = os.pread(fd, ROWS_PER_CHUNK * size, first * size)
        rows = np.frombuffer(raw, dtype, count=len(raw) // size)
        whole = 0
        while whole < len(rows) and _is_whole(raw, rows[whole], whole, first + whole):
            whole += 1
        if whole:
            yield rows[:whole]
        if whole < ROWS_PER_CHUNK:
            return
        first += whole


def _is_whole(raw: bytes, row: np.void, place: int, step: int) -> bool:
    """Whether ``row``, number ``place`` in ``raw``, is the undamaged row of ``step``."""
    begin, size = place * row.dtype.itemsize, row.dtype.itemsize
    crc = crc32c(raw[begin : begin + size - _CRC_BYTES])
    return bool(row["magic"] == _MAGIC and row["step"] == step and row["crc"] == crc)
