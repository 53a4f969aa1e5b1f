"""A changed calibration is noticed: by its digest, and against a policy's training data."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from calibration.in_use import calibration_changed, calibration_digest
from calibration.rig_file import RIGS, load_rig

OLD, NEW = "a" * 64, "b" * 64


def test_the_digest_follows_the_numbers_of_a_real_rig(tmp_path: Path) -> None:
    assert calibration_digest(load_rig("sim"), "sim") == ""
    copy = tmp_path / "lab"
    shutil.copytree(RIGS / "koch", copy)
    rig = load_rig(str(copy))
    before = calibration_digest(rig, str(copy))
    assert before == calibration_digest(load_rig("koch"), "koch")
    assert len(before) == 64
    path = copy / "calibration.yaml"
    numbers = yaml.safe_load(path.read_text())
    joints = numbers["arms"][rig.arms[0].follower]["joints"]
    next(iter(joints.values()))["zero_ticks"] += 1
    path.write_text(yaml.safe_dump(numbers))
    assert calibration_digest(rig, str(copy)) != before


def test_a_policy_of_another_calibration_is_one_line() -> None:
    assert calibration_changed(OLD, [OLD]) is None
    assert calibration_changed(OLD, []) is None, "trained in simulation: nothing to compare"
    assert calibration_changed("", [OLD]) is None
    line = calibration_changed(NEW, [OLD, NEW, ""])
    assert line is not None
    assert "bbbbbbbb is not the one of the policy's training data (aaaaaaaa)" in line
