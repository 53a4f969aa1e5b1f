"""Where an episode lies: in a local folder, or at any URL that fsspec opens (``s3://``, ``https://``, ``memory://``).

URLs are for reading only. A location at a URL is a ``upath.UPath``, which has the methods of ``pathlib.Path`` that
reading needs; it is called a Path here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from il_robot.episodes.layout import SUFFIX
from il_robot.errors import BadInput

NO_FILE = "not a file, but a pipe, a device or the like"
_BLOCK_BYTES = 1 << 20
_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors while fetching that are of this machine's disk."""
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+):/+(?P<rest>.*)")


def location(place: Path | str) -> Path:
    """The folder at a path or URL; a URL that went through ``Path`` and lost a slash is understood, too.

    Raises BadInput when there is no way to open such a URL.
    """
    if not isinstance(place, Path | str):
        return place  # A URL's location already.
    found = _URL.fullmatch(str(place))
    if found is None:
        return Path(place)
    scheme, rest = found["scheme"], found["rest"]
    if scheme == "file":
        return Path("/", rest)
    from upath import UPath

    try:
        folder: Any = UPath(place if isinstance(place, str) and "://" in place else f"{scheme}://{rest}")
        _ = folder.fs
    except (ValueError, ImportError) as error:
        raise BadInput(f"{scheme}://{rest}: {error}") from None
    return cast(Path, folder)


def is_local(path: Path) -> bool:
    """False at a URL."""
    return isinstance(path, Path)


def open_file(path: Path) -> int:
    """A local file's descriptor to read from. Raises OSError, also where a pipe or a device has its place: a pipe would
    be waited for, and a device may never end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise OSError(error.errno, NO_FILE if error.errno == errno.ENXIO else error.strerror) from None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, NO_FILE)


def read_range(path: Path, offset: int, nbytes: int) -> bytes:
    """At most ``nbytes`` from ``offset`` on, fewer at the file's end. Raises OSError with a ``strerror``.

    No file position and nothing left open: many threads may read at once, locally also after a fork.
    """
    if is_local(path):
        fd = open_file(path)
        try:
            return os.pread(fd, nbytes, offset)
        finally:
            os.close(fd)
    remote: Any = path
    try:
        return cast(bytes, remote.fs.cat_file(remote.path, start=offset, end=offset + nbytes))
    except OSError as error:
        raise _told(error) from None


def file_size(path: Path) -> int:
    """Bytes. Raises OSError with a ``strerror``."""
    if is_local(path):
        return path.stat().st_size
    remote: Any = path
    try:
        return int(remote.fs.size(remote.path))
    except OSError as error:
        raise _told(error) from None


def fetch_folder(source: Path, target: Path) -> None:
    """A local copy of a folder with everything in it.

    Raises BadInput when something in it cannot be read, OSError with a ``strerror`` when the copy cannot be written.
    """
    if is_local(source):
        _copy_folder(source, target)
        return
    remote: Any = source
    try:
        remote.fs.get(remote.path.rstrip("/") + "/", f"{target}/", recursive=True)
    except OSError as error:
        if error.errno in _OURS:
            raise _told(error) from None
        raise BadInput(f"{source}: {_told(error).strerror}") from None


def _copy_folder(source: Path, target: Path) -> None:
    target.mkdir()
    with _readable(source):
        inside = sorted(source.iterdir())
    for path in inside:
        if path.is_dir():
            _copy_folder(path, target / path.name)
        else:
            _copy_file(path, target / path.name)


def _copy_file(source: Path, target: Path) -> None:
    with _readable(source):
        fd = open_file(source)
    with os.fdopen(fd, "rb", buffering=0) as reading, target.open("xb", buffering=0) as writing:
        while True:
            with _readable(source):
                block = reading.read(_BLOCK_BYTES)
            if not block:
                return
            while block:
                block = block[writing.write(block) :]


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Raises BadInput where the system refuses."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from None


def refuse_inside(out: Path, sources: Sequence[Path]) -> None:
    """Raises BadInput when ``out``, to be written to, is one of the datasets ``sources``, or lies in one or in any
    episode."""
    folder = out.resolve()
    for source in map(location, sources):
        if is_local(source) and folder.is_relative_to(source.resolve()):
            where = "is the source itself" if folder == source.resolve() else f"lies in the source {source}"
            raise BadInput(f"{out}: {where}: give another folder")
    for above in (folder, *folder.parents):
        if above.name.endswith(SUFFIX) and (above / "zarr.json").exists():
            raise BadInput(f"{out}: lies in the episode {above}: give another folder")


def local_folder(place: Path, what: str) -> Path:
    """The folder at a path or ``file://`` URL, for ``what`` to write in. Raises BadInput for any other URL."""
    folder = location(place)
    if not is_local(folder):
        raise BadInput(f"{place}: a URL is for reading only: {what} needs a folder on this machine")
    return folder


def _told(error: OSError) -> OSError:
    """The same with a ``strerror``, which remote file systems leave empty."""
    text = error.strerror or ("no such file" if isinstance(error, FileNotFoundError) else str(error))
    return OSError(error.errno or 0, text.partition("\n")[0])
