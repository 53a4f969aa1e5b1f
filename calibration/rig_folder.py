"""The files that lie beside a rig's ``rig.yaml``."""

from __future__ import annotations

from pathlib import Path

from calibration.rig_file import RIGS, rig_names
from il_robot.errors import BadInput


def folder_of_rig(rig: str) -> Path:
    """Where the files of a rig lie, given as to :func:`calibration.rig_file.load_rig`."""
    at = RIGS / rig if rig in rig_names() else Path(rig)
    return at if at.is_dir() else at.parent


def file_of_rig(rig: str, name: str) -> Path:
    """The file called ``name`` of a rig. Raises BadInput when it has none."""
    path = folder_of_rig(rig) / name
    if not path.is_file():
        raise BadInput(f"rig {rig}: no {path}")
    return path
