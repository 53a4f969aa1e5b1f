"""An arm's servos as one joint vector, and the calibration file of a rig.

The file is ``calibration.yaml`` beside the rig's ``rig.yaml``; its digest goes into every episode.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.gripper import GripperCalibration
from calibration.intrinsics import CameraIntrinsics
from calibration.joint import JointCalibration
from calibration.yaml_file import write_yaml
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.types import Floats

Ticks = NDArray[np.int64]
VERSION = 1


@dataclass(frozen=True)
class ArmScale:
    """Ticks to joint positions and back for J joints, all at once: ``position = (ticks - zero) * scale``."""

    zero: NDArray[np.float64]
    """(J,) [ticks]."""
    scale: NDArray[np.float64]
    """(J,) [rad/tick], grippers [opening/tick]."""
    is_gripper: NDArray[np.bool_]
    """(J,)."""

    def position(self, ticks: NDArray[Any] | Sequence[float]) -> Floats:
        """(J,) ticks as rad and openings."""
        return ((np.asarray(ticks) - self.zero) * self.scale).astype(np.float32)

    def ticks(self, position: Floats) -> Ticks:
        """(J,) rad and openings as the nearest ticks."""
        return np.rint(position / self.scale + self.zero).astype(np.int64)


@dataclass(frozen=True)
class ArmCalibration:
    """The joints and grippers of one arm, by joint name."""

    joints: dict[str, JointCalibration]
    grippers: dict[str, GripperCalibration] = field(default_factory=dict)

    def for_joints(self, names: Sequence[str], arm: str) -> ArmScale:
        """The numbers in the order of ``names``. Raises BadInput naming ``arm`` when one is missing or left over."""
        known: dict[str, JointCalibration | GripperCalibration] = {**self.joints, **self.grippers}
        where = f"calibration.yaml: arm {arm}"
        if twice := sorted(set(self.joints) & set(self.grippers)):
            raise BadInput(f"{where}: {twice[0]!r} is among its joints and its grippers; allowed: one of them")
        missing = [name for name in names if name not in known]
        if extra := sorted(set(known) - set(names)):
            raise BadInput(f"{where}: joint {extra[0]!r} is not in rig.yaml; {nearest(extra[0], missing or names)}")
        if missing:
            raise BadInput(f"{where}: joint {missing[0]!r} of rig.yaml is missing")
        return ArmScale(
            np.array([known[name].origin_ticks for name in names], np.float64),
            np.array([known[name].scale for name in names], np.float64),
            np.array([name in self.grippers for name in names]),
        )


@dataclass(frozen=True)
class RigCalibration:
    """Everything measured on one rig."""

    version: int
    arms: dict[str, ArmCalibration]
    """By arm: ``follower_left``, ``leader_left``, ..."""
    cameras: dict[str, CameraIntrinsics] = field(default_factory=dict)
    """By camera."""
    latency_s: dict[str, float] = field(default_factory=dict)
    """By camera: how late its stamps are; taken off every frame's."""

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise BadInput(f"version {self.version}; allowed: {VERSION}, which this program reads")

    def arm(self, name: str) -> ArmCalibration:
        """Raises BadInput when the arm was never calibrated."""
        if name not in self.arms:
            raise BadInput(f"calibration.yaml: no arm {name!r}; {nearest(name, self.arms)}")
        return self.arms[name]

    def digest(self) -> str:
        """SHA-256 over the numbers, not over the file's layout: changes exactly when the calibration does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def load_calibration(path: Path) -> RigCalibration:
    """The calibration in a YAML file. Raises BadInput."""
    return strict_yaml.load(path, RigCalibration)


def save_calibration(path: Path, calibration: RigCalibration) -> None:
    """Raises Fault when it cannot be written."""
    write_yaml(path, asdict(calibration))


def update_calibration(
    path: Path, start: RigCalibration, change: Callable[[RigCalibration], RigCalibration]
) -> RigCalibration:
    """Changes the calibration in ``path``, or ``start`` where there is no file yet, and writes it there.

    It is read again for that: another program may have written another part of it meanwhile. Raises BadInput or Fault.
    """
    calibration = change(load_calibration(path) if path.exists() else start)
    save_calibration(path, calibration)
    return calibration
