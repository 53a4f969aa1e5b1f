"""How far the calibration of a rig has come: never made, begun, made."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from calibration.arm import load_calibration
from calibration.report import load_report
from calibration.rig_folder import file_of_rig
from il_robot import strict_yaml
from il_robot.errors import BadInput
from il_robot.rig import Rig

T = TypeVar("T")
ARMS, GRIPPERS, CAMERAS, LATENCY = "arms", "grippers", "cameras", "latency"


class Stage(StrEnum):
    """Of one part."""

    NEVER = "never calibrated"
    UNFINISHED = "unfinished"
    CALIBRATED = "calibrated"


def unfinished_file(calibration: Path, part: str) -> Path:
    """Where ``calibrate PART`` that writes ``calibration`` keeps what it has so far."""
    return calibration.with_suffix(".unfinished.yaml" if part == ARMS else f".{part}.unfinished.yaml")


def kept_in(path: Path, kind: type[T]) -> T:
    """What an interrupted calibration left in its file, or nothing. Raises BadInput."""
    try:
        return strict_yaml.load(path, kind) if path.exists() else kind()
    except BadInput as error:
        raise BadInput(f"{error}; --afresh begins without this file") from None


def calibration_state(rig: Rig, name: str) -> dict[str, Stage]:
    """By part (arms, grippers, cameras, latency: each is an ``il-robot calibrate PART``), for the rig called ``name``.

    Numbers that only stand in calibration.yaml, as those that a rig comes with, were never measured: arms count with
    their report. Cameras and latency are unfinished while some camera lacks them. Empty for a simulated rig. Raises
    BadInput.
    """
    if rig.simulated:
        return {}
    path = file_of_rig(name, "calibration.yaml")
    calibration, report = load_calibration(path), load_report(path)
    arms = _stage([arm for pair in rig.arms for arm in (pair.follower, pair.leader)], report.arms)
    found = {
        ARMS: arms,
        GRIPPERS: arms,
        CAMERAS: _stage(rig.camera_names, calibration.cameras),
        LATENCY: _stage(rig.camera_names, calibration.latency_s),
    }
    return {part: Stage.UNFINISHED if unfinished_file(path, part).exists() else found[part] for part in found}


def _stage(asked: Collection[str], measured: Collection[str]) -> Stage:
    missing = [name for name in asked if name not in measured]
    return Stage.CALIBRATED if not missing else Stage.NEVER if len(missing) == len(asked) else Stage.UNFINISHED
