"""Finds, reads and checks a rig: ``calibration/rigs/<name>/rig.yaml``, or any path to such a file or folder."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest, said_by_the_system
from il_robot.rig import Camera, Joint, Rig

RIGS = Path(__file__).parent / "rigs"
FURTHEST = 4 * math.pi
"""No joint turns further from its zero [rad]: larger numbers are degrees."""
FASTEST = 20.0
"""No servo of an arm turns faster [rad/s]: larger numbers are degrees. A gripper [1/s] opens in 50 ms then."""
WIDEST = 8192
"""The longest side of an image [px]."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What ROS allows in the name of a topic."""


def rig_names() -> list[str]:
    """The rigs this installation knows by name."""
    return sorted(folder.name for folder in RIGS.iterdir() if (folder / "rig.yaml").is_file())


def load_rig(name: str) -> Rig:
    """The rig called ``name``, or the one in the file or folder ``name``. Raises BadInput."""
    if name in rig_names():
        return _load(RIGS / name / "rig.yaml")
    path = Path(name)
    try:
        if name and path.is_dir():
            path = path / "rig.yaml"
        there = path.suffix in {".yaml", ".yml"} and path.is_file()
    except OSError as error:
        raise BadInput(f"no rig: {said_by_the_system(error)}") from None
    if there:
        return _load(path)
    raise BadInput(f"no rig {name!r}: neither a rig.yaml nor a known rig; {nearest(name, rig_names())}")


def _load(path: Path) -> Rig:
    rig = strict_yaml.load(path, Rig)
    for wrong in _wrong(rig):
        raise BadInput(f"{path}: {wrong}")
    return rig


def _wrong(rig: Rig) -> Iterator[str]:
    """What no rig that moves can be. Datasets come from rigs in any unit, so the dataclasses let it pass."""
    if not rig.name:
        yield "name is empty"
    if not rig.arms or not all(arm.joints for arm in rig.arms):
        yield "arms: at least one, each with at least one joint"
    names = [arm.name for arm in rig.arms] + [joint.name for joint in rig.joints]
    for name in (*names, *rig.camera_names, *rig.objects):
        if not _NAME.fullmatch(name):
            yield f"name {name!r}; allowed: letters, digits and _, a letter first"
    for joint in rig.joints:
        yield from _wrong_joint(joint)
    for camera in rig.cameras:
        yield from _wrong_camera(camera)


def _wrong_joint(joint: Joint) -> Iterator[str]:
    if max(abs(joint.lower), abs(joint.upper)) > FURTHEST:
        allowed = f"{-FURTHEST:.1f} to {FURTHEST:.1f} rad, grippers 0 to 1"
        yield f"joint {joint.name}: limits {joint.lower:g} to {joint.upper:g}; allowed: {allowed}"
    if joint.velocity > FASTEST:
        yield f"joint {joint.name}: velocity {joint.velocity:g}; allowed: above 0, at most {FASTEST:g} rad/s"


def _wrong_camera(camera: Camera) -> Iterator[str]:
    for what, side in (("width", camera.width), ("height", camera.height)):
        if not 1 <= side <= WIDEST:
            yield f"camera {camera.name}: {what} {side}; allowed: 1 to {WIDEST} px"
    if not 1 <= camera.quality <= 100:
        yield f"camera {camera.name}: quality {camera.quality}; allowed: 1 to 100"
