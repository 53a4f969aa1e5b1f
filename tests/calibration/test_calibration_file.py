"""The calibration file: strict, written in one piece, known by its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibration.arm import load_calibration, save_calibration
from calibration.joint import JointCalibration
from calibration.rig_folder import file_of_rig
from il_robot.errors import BadInput

ALOHA = file_of_rig("aloha", "calibration.yaml")


def test_written_and_read_back_it_is_the_same(tmp_path: Path) -> None:
    calibration = load_calibration(ALOHA)
    save_calibration(tmp_path / "calibration.yaml", calibration)
    again = load_calibration(tmp_path / "calibration.yaml")
    assert again == calibration
    assert again.digest() == calibration.digest()
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.yaml"]


def test_the_digest_changes_with_any_number() -> None:
    calibration = load_calibration(ALOHA)
    arm = calibration.arm("follower_left")
    moved = replace(arm, joints={**arm.joints, "elbow": JointCalibration(2049.0)})
    changed = replace(calibration, arms={**calibration.arms, "follower_left": moved})
    assert changed.digest() != calibration.digest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zero_ticks", "zero_tick", "zero_tick"),
        ("sign: 1", "sign: 0", "allowed: 1, -1"),
        ("2048.0", "'2048'", "'2048' is not a number"),
        ("version: 1", "version: 2", "version 2; allowed: 1"),
        ("closed_ticks: 1643.0, ", "", "closed_ticks"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(ALOHA.read_text().replace(old, new, 1))
    with pytest.raises(BadInput, match=message) as raised:
        load_calibration(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_uncalibrated_arm_and_a_missing_file() -> None:
    with pytest.raises(BadInput, match="did you mean 'follower_left'"):
        load_calibration(ALOHA).arm("folower_left")
    with pytest.raises(BadInput, match=r"no .*/sim/hardware\.yaml"):
        file_of_rig("sim", "hardware.yaml")
