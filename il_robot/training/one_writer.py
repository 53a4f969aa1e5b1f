"""One training at a time writes a run: two would mix their lines, and one's weights with the other's optimiser."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from il_robot.errors import Fault


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """While entered, every other that asks for the folder ``run`` gets a Fault. A killed process leaves nothing behind.

    A file system that has no such locks (some shared ones) is taken as it is.
    """
    fd = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Fault(f"{run}: another training writes it right now") from None
        yield
    finally:
        os.close(fd)
