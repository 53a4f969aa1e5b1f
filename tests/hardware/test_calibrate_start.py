"""What every calibration looks at before it begins, and what it forgets when told to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from calibration.arm import load_calibration, save_calibration
from calibration.guide import Progress
from calibration.rig_file import RIGS
from calibration.state import ARMS, CAMERAS, unfinished_file
from hardware.calibrate_start import begin
from il_robot.errors import BadInput, Fault


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RIGS / "koch", tmp_path / "lab"))


def test_only_afresh_forgets_what_there_is_of_this_part(lab: Path) -> None:
    kept = {part: unfinished_file(lab / "calibration.yaml", part) for part in (ARMS, CAMERAS)}
    for path in kept.values():
        path.touch()
    assert begin(str(lab), None, ARMS).unfinished == kept[ARMS]
    assert kept[ARMS].exists()
    begin(str(lab), None, ARMS, afresh=True)
    assert [part for part, path in kept.items() if path.exists()] == [CAMERAS]


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt(), Fault("the port is gone")])
def test_what_is_kept_is_said_however_it_ends(
    lab: Path, ended_by: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    start = begin(str(lab), None, CAMERAS)
    for said in ("", f"what was captured is kept ({start.unfinished})"):
        with pytest.raises(type(ended_by)), start.kept_when_interrupted():
            raise ended_by
        assert (said in capsys.readouterr().out) and start.unfinished.exists() == bool(said)
        start.unfinished.touch()


def test_a_trial_file_that_is_there_is_gone_on_with(lab: Path, tmp_path: Path) -> None:
    trial = tmp_path / "trial.yaml"
    assert begin(str(lab), trial, ARMS).calibration == load_calibration(lab / "calibration.yaml")
    other = replace(load_calibration(lab / "calibration.yaml"), latency_s={"cam_front": 0.03})
    save_calibration(trial, other)
    assert begin(str(lab), trial, ARMS).calibration == other
    save_calibration(trial, replace(other, latency_s={"cam_high": 0.03}))
    with pytest.raises(BadInput, match=r"trial.yaml does not fit the rig: .*'cam_high'"):
        begin(str(lab), trial, ARMS)


def test_what_cannot_be_gone_on_with_is_one_line(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="rig sim is simulated: it has nothing to calibrate"):
        begin("sim", None, ARMS)
    with pytest.raises(BadInput, match=r"trial.jpg: a name that ends in .yaml or .yml is needed"):
        begin(str(lab), tmp_path / "trial.jpg", ARMS)
    (lab / "calibration.report.yaml").write_text("version: 3")
    with pytest.raises(BadInput, match="report version 3"):
        begin(str(lab), None, ARMS)
    kept = unfinished_file(lab / "calibration.yaml", ARMS)
    kept.write_text("captured: 3")
    with pytest.raises(BadInput, match="; --afresh begins without this file"):
        Progress.resume(kept)
