"""A dataset says when its episodes were recorded under different calibrations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import info_of, record

from il_robot.episodes import commands
from il_robot.episodes.validation import validate_dataset

OLD, NEW = "a" * 64, "b" * 64


def test_a_dataset_tells_when_its_calibration_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for digest in (OLD, "", OLD):
        record(tmp_path, replace(info_of(), calibration=digest), 5)
    commands.info(tmp_path)
    assert "calibrations" not in capsys.readouterr().out
    assert "calibration" not in {finding.kind for finding in validate_dataset(tmp_path)}
    changed = record(tmp_path, replace(info_of(), calibration=NEW), 5)
    commands.info(tmp_path)
    assert "different calibrations: aaaaaaaa (2 episodes), bbbbbbbb (1 episode)" in capsys.readouterr().out
    commands.info(tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out)["total"]["calibrations"] == {OLD: 2, NEW: 1}
    (finding,) = (one for one in validate_dataset(tmp_path) if one.kind == "calibration")
    assert finding.episode == changed.name.removesuffix(".zarr")
    assert "another calibration (bbbbbbbb)" in str(finding)
