"""How far a rig's calibration has come, from the files that calibrating leaves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from calibration.arm import load_calibration, save_calibration
from calibration.intrinsics import CameraIntrinsics
from calibration.report import ArmReport, add_to_report, load_report
from calibration.rig_file import RIGS, load_rig
from calibration.state import ARMS, CAMERAS, GRIPPERS, LATENCY, Stage, calibration_state, unfinished_file
from il_robot.errors import BadInput


def test_a_rig_goes_from_never_over_unfinished_to_calibrated(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(RIGS / "koch", lab)
    rig, path = load_rig(str(lab)), lab / "calibration.yaml"
    assert set(calibration_state(rig, str(lab)).values()) == {Stage.NEVER}
    for part in (ARMS, GRIPPERS, CAMERAS):
        unfinished_file(path, part).touch()
        assert [p for p, stage in calibration_state(rig, str(lab)).items() if stage is Stage.UNFINISHED] == [part]
        unfinished_file(path, part).unlink()
    add_to_report(path, arms={name: ArmReport({}, ("waist",), {}) for name in ("follower_main", "leader_main")})
    state = calibration_state(rig, str(lab))
    assert (state[ARMS], state[GRIPPERS], state[CAMERAS]) == (Stage.CALIBRATED, Stage.CALIBRATED, Stage.NEVER)
    found = CameraIntrinsics(640, 480, 500, 500, 320, 240, (0.0,) * 5, 0.3, 20)
    for cameras, stage in ((("cam_front",), Stage.UNFINISHED), (("cam_front", "cam_wrist"), Stage.CALIBRATED)):
        measured = replace(
            load_calibration(path), cameras=dict.fromkeys(cameras, found), latency_s=dict.fromkeys(cameras, 0.02)
        )
        save_calibration(path, measured)
        state = calibration_state(rig, str(lab))
        assert (state[CAMERAS], state[LATENCY]) == (stage, stage)
    assert calibration_state(load_rig("sim"), "sim") == {}


def test_a_report_keeps_its_other_parts_and_one_of_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    add_to_report(path, arms={"follower_main": ArmReport({"waist": 0.01}, ("waist",), {})})
    add_to_report(path, pairs_apart={"main": {"waist": 0.02}})
    assert load_report(path).arms["follower_main"].sign_changed == ("waist",)
    assert load_report(path).pairs_apart == {"main": {"waist": 0.02}}
    (tmp_path / "calibration.report.yaml").write_text("arms: {}\npairs_apart: {main: {waist: 0.03}}\n")
    assert load_report(path).pairs_apart["main"]["waist"] == 0.03
    (tmp_path / "calibration.report.yaml").write_text("version: 2\n")
    with pytest.raises(BadInput, match="report version 2: this program reads version 1"):
        load_report(path)
