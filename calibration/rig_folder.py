"""The files that lie beside a rig's ``rig.yaml``."""

from __future__ import annotations

from pathlib import Path

from calibration.rig_file import RIGS, rig_names
from il_robot.errors import BadInput


def file_of_rig(rig: str, name: str) -> Path:
    """The file called ``name`` of a rig, given as to :func:`calibration.rig_file.load_rig`. Raises BadInput."""
    at = RIGS / rig if rig in rig_names() else Path(rig)
    path = (at if at.is_dir() else at.parent) / name
    if not path.is_file():
        raise BadInput(f"rig {rig}: no {path}")
    return path
