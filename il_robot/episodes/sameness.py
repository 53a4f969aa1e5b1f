"""Whether an episode that is there is the very one that would be written there, by what is in it: names, lengths and
stamps may agree by chance."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.storage import check_storage
from il_robot.episodes.columns import columns
from il_robot.episodes.layout import Validity
from il_robot.episodes.location import file_size, is_local, read_range
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import INDEX_BYTES
from il_robot.episodes.staging import cut_of
from il_robot.errors import BadInput

_BLOCK_BYTES = 1 << 20


def same_files(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files, byte for byte. Raises BadInput when ``first`` cannot be read.

    Where one lies at a URL, shards of images are compared by their lengths and the lengths of their frames only: all
    of them would have to be fetched.
    """
    names = _files(first)
    if names != _files(second):
        return False
    whole = is_local(first) and is_local(second)
    for name in names:
        try:
            size = file_size(second / name)
            compared = size if whole or not name.startswith("images/") else min(size, INDEX_BYTES)
            theirs = _digest(second / name, compared)
        except OSError:
            return False  # Taken away meanwhile, or not readable: not to be taken for a copy.
        try:
            if file_size(first / name) != size or _digest(first / name, compared) != theirs:
                return False
        except OSError as error:
            raise BadInput(f"{first / name}: {error.strerror}") from None
    return True


def holds_steps(folder: Path, source: Episode, first: int, end: int) -> bool:
    """Whether ``folder`` is a whole and complete copy of the steps ``first`` to ``end`` (excluded) of ``source``.

    Raises BadInput when ``source`` is damaged.
    """
    try:
        cut = Episode(folder)
        info = cut.info
        noted = info.configuration.get("cut") == cut_of(source, first, end)
        if not noted or not cut.complete or (cut.steps, info.camera_names) != (end - first, source.info.camera_names):
            return False
        if columns(info) != columns(source.info) or any(check_storage(cut)):
            return False
        frames = _frames(cut, 0, cut.steps)
    except BadInput:
        return False
    return frames == _frames(source, first, end) and all(
        _rows(cut, column.path, 0, cut.steps).tobytes() == _rows(source, column.path, first, end).tobytes()
        for column in columns(info)
    )


def _rows(episode: Episode, path: str, first: int, end: int) -> NDArray[Any]:
    """Steps of an array; what the first repeats from before a cut is fresh in the cut, so both are 1 here."""
    rows = episode.array(path)[first:end].copy()
    if path == "control/valid":
        rows[0] = np.where(rows[0] == Validity.MISSING, Validity.MISSING, Validity.FRESH)
    return rows


def _frames(episode: Episode, first: int, end: int) -> str:
    """SHA-256 of the pictures shown and of the steps that show none. Raises BadInput when one is damaged."""
    digest = hashlib.sha256()
    for camera in episode.info.camera_names:
        validity = episode.validity(camera)
        for t in range(first, end):
            shows = Validity(int(validity[t]))
            is_new = shows == Validity.FRESH or (shows == Validity.REPEATED and t == first)
            digest.update(episode.frame_jpeg(camera, t) if is_new else shows.name.encode())
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    """The paths of all files, below ``folder``."""
    if not folder.is_dir():
        return []
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _digest(path: Path, size: int) -> bytes:
    """SHA-256 of a file's first ``size`` bytes. Raises OSError."""
    digest = hashlib.sha256()
    for offset in range(0, size, _BLOCK_BYTES):
        digest.update(read_range(path, offset, min(_BLOCK_BYTES, size - offset)))
    return digest.digest()
