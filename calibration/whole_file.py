"""Files written in one piece: a crash, a power cut or a full disk leaves the old one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import yaml

from il_robot.errors import Fault


def write_yaml(path: Path, data: dict[str, Any]) -> None:
    """Raises Fault."""
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120)
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Raises Fault."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        before = "; the file of before is still there" if path.exists() else ""
        raise Fault(f"{path}: {error.strerror}{before}") from None
