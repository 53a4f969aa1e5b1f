"""The guide through a calibration, with an arm of numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from calibration.arm import ArmCalibration
from calibration.capture import SAMPLES
from calibration.guide import Poses, Progress, ReferencePose, capture_arm
from calibration.joint import JointCalibration


def test_a_pose_that_was_not_held_still_is_asked_for_again(tmp_path: Path) -> None:
    restless = iter(itertools.chain(range(0, 10 * SAMPLES, 10), itertools.repeat(1000)))
    told: list[str] = []
    capture_arm(
        "follower_left",
        lambda: np.array([float(next(restless))]),
        ["waist"],
        ArmCalibration({"waist": JointCalibration()}, {}),
        Poses((ReferencePose("straight", "arm straight", {"waist": 0.0}),)),
        told.append,
        tmp_path / "unfinished.yaml",
    )
    assert told == [
        "follower_left: arm straight",
        "waist moved by 240 ticks (allowed 6); hold the arm still; once more, follower_left: arm straight",
    ]
    assert Progress.resume(tmp_path / "unfinished.yaml").captured["follower_left"]["straight"] == {"waist": 1000.0}
