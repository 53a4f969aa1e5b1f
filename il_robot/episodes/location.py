"""Where an episode lies: in a local folder, or at any URL that fsspec opens (``s3://``, ``https://``, ``memory://``).

URLs are for reading only. A location at a URL is a ``upath.UPath``, which has the methods of ``pathlib.Path`` that
reading needs; it is called a Path here.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, cast

from il_robot.errors import BadInput

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


def read_range(path: Path, offset: int, nbytes: int) -> bytes:
    """At most ``nbytes`` from ``offset`` on, fewer at the file's end. Raises OSError with a ``strerror``.

    No file position and nothing left open: many threads may read at once, locally also after a fork.
    """
    if is_local(path):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
    """A local copy of a folder with everything in it. Raises OSError with a ``strerror``."""
    if is_local(source):
        try:
            shutil.copytree(source, target)
        except (
            shutil.Error
        ) as error:  # It goes on after a failure and lists them all: no error of the system by itself.
            raise OSError(0, error.args[0][0][2]) from None
        return
    remote: Any = source
    try:
        remote.fs.get(remote.path.rstrip("/") + "/", f"{target}/", recursive=True)
    except OSError as error:
        raise _told(error) from None


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
