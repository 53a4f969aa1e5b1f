"""Writing at a place in a file, wholly or with the system's own reason why not; and bringing it to the medium."""

from __future__ import annotations

import os


def write_at(fd: int, parts: list[bytes], offset: int) -> int:
    """Write ``parts`` one after another from ``offset`` on; the number of bytes. Raises OSError.

    A disk that fills up first takes a part and says nothing: asked for the rest, it says why.
    """
    total = sum(len(part) for part in parts)
    done = os.pwritev(fd, parts, offset)
    if done < total:
        rest = b"".join(parts)
        while done < total:
            done += os.pwrite(fd, rest[done:], offset + done)
    return total


def sync_and_forget(fd: int, begin: int, end: int) -> None:
    """Bring the file to the medium, then give the memory back that holds its bytes ``begin`` to ``end``.

    Recording writes far more than anybody reads back soon. Kept, it would push all else out of memory, and each new
    page would be a fresh one, which can cost several times what copying the picture into it does. Whoever reads the
    bytes again gets them from the medium. Raises OSError.
    """
    os.fdatasync(fd)
    if end > begin:
        os.posix_fadvise(fd, begin, end - begin, os.POSIX_FADV_DONTNEED)
