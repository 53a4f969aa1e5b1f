"""Writing at a place in a file: wholly, or with the system's own reason why not."""

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
