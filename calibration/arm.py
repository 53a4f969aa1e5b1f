"""An arm's servos as one joint vector, and the calibration file of a rig.

The file is ``calibration.yaml`` beside the rig's ``rig.yaml``; its digest goes into every episode.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from calibration.gripper import GripperCalibration
from calibration.intrinsics import CameraIntrinsics
from calibration.joint import JointCalibration
from il_robot import strict_yaml
from il_robot.errors import BadInput, Fault, nearest
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
        if twice := sorted(set(self.joints) & set(self.grippers)):
            raise BadInput(f"calibration of {arm}: both joint and gripper: {', '.join(twice)}")
        for name in names:
            if name not in known:
                raise BadInput(f"calibration of {arm} lacks joint {name!r}; {nearest(name, known)}")
        if extra := sorted(set(known) - set(names)):
            raise BadInput(f"calibration of {arm} has unknown joints {', '.join(extra)}; {nearest(extra[0], names)}")
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
            raise BadInput(f"calibration version {self.version}: this program reads version {VERSION}")

    def arm(self, name: str) -> ArmCalibration:
        """Raises BadInput when the arm was never calibrated."""
        if name not in self.arms:
            raise BadInput(f"no calibration for arm {name!r}; {nearest(name, self.arms)}")
        return self.arms[name]

    def digest(self) -> str:
        """SHA-256 over the numbers, not over the file's layout: changes exactly when the calibration does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def load_calibration(path: Path) -> RigCalibration:
    """The calibration in a YAML file. Raises BadInput."""
    return strict_yaml.load(path, RigCalibration)


def save_calibration(path: Path, calibration: RigCalibration) -> None:
    """Raises Fault when it cannot be written."""
    write_whole(path, asdict(calibration))


def write_whole(path: Path, data: dict[str, Any]) -> None:
    """Writes YAML in one piece: a crash, or a full disk, leaves the old file. Raises Fault."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}; the file of before is still there") from None
