"""The guide through a calibration, with an arm of numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from calibration.arm import ArmCalibration
from calibration.capture import SAMPLES
from calibration.guide import Poses, Progress, ReferencePose, capture_arm
from calibration.joint import JointCalibration
from il_robot.errors import Fault


def test_what_cannot_be_kept_is_one_line_and_harms_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "unfinished.yaml"
    Progress({"follower_left": {}}).save(kept)
    kept.with_suffix(".new").mkdir()  # in the way
    with pytest.raises(Fault, match=f"{kept}: Is a directory; the file of before is still there"):
        Progress({}).save(kept)
    assert Progress.resume(kept).captured == {"follower_left": {}}


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
