"""Files written in one piece: a crash, a power cut or a full disk leaves the old one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from il_robot.errors import Fault


def write_whole(path: Path, data: bytes) -> None:
    """Writes beside ``path`` and renames, so that a reader finds the old file or the new one. Raises Fault."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        before = "; the file of before is still there" if path.exists() else ""
        raise Fault(f"{path}: cannot be written: {error.strerror}{before}") from None
