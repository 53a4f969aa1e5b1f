"""Finds and reads a rig: ``calibration/rigs/<name>/rig.yaml``, or any path to such a file or folder."""

from __future__ import annotations

from pathlib import Path

from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Rig

RIGS = Path(__file__).parent / "rigs"


def rig_names() -> list[str]:
    """The rigs this installation knows by name."""
    return sorted(folder.name for folder in RIGS.iterdir() if (folder / "rig.yaml").is_file())


def load_rig(name: str) -> Rig:
    """The rig called ``name``, or the one in the file or folder ``name``. Raises BadInput."""
    if name in rig_names():
        return strict_yaml.load(RIGS / name / "rig.yaml", Rig)
    path = Path(name)
    if path.is_dir():
        path = path / "rig.yaml"
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return strict_yaml.load(path, Rig)
    raise BadInput(f"no rig {name!r}: neither a rig.yaml nor a known rig; {nearest(name, rig_names())}")
