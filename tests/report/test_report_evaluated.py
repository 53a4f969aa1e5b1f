"""An evaluation is told beside the run that it is of, or left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from driven import evaluation

from calibration.rig_file import load_rig
from il_robot.report.command import report
from il_robot.report.page import write_report
from il_robot.report.sources import Sources
from il_robot.report.summary import Summary
from il_robot.sim.collect import collect
from il_robot.training.description import read_description
from il_robot.training.identity import identity
from il_robot.training.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same policy."""
    folder = tmp_path_factory.mktemp("evaluated")
    collect(folder / "data", replace(load_rig("sim"), cameras=()), episodes=1)
    for seed in (0, 1):
        train("bc", (folder / "data",), out=folder / f"seed_{seed}", steps=1, batch=4, seed=seed)
    return folder


def reported(tmp_path: Path, trained: Path, **told: object) -> Summary:
    """The report of the run ``trained`` and an evaluation that tells this of its own run."""
    file = evaluation(tmp_path / "evaluation.json", **told)
    return write_report(Sources(run=trained, evaluation=file), tmp_path / "report.html")


def test_an_evaluation_of_another_policy_is_left_out_in_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation(tmp_path / "evaluation.json", run="runs/act", policy="act")
    assert report(tmp_path, run=runs / "seed_0") == 1
    why = f"{tmp_path}/evaluation.json: of another run: runs/act (act), not {runs}/seed_0 (bc)"
    assert f"left out: {why}\n" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"No evaluation: {why}" in page
    assert "46 of 50" not in page


def test_a_run_that_was_moved_keeps_its_evaluation(runs: Path, tmp_path: Path) -> None:
    """Also where another lies in its place now, as after a second demo."""
    own, other = (identity(read_description(runs / f"seed_{seed}")) for seed in (0, 1))
    for place in ("gone", str(runs / "seed_1")):
        assert reported(tmp_path, runs / "seed_0", policy="bc", run=place, identity=own).evaluation is not None
    summary = reported(tmp_path, runs / "seed_0", policy="bc", run=str(runs / "seed_0"), identity=other)
    assert summary.evaluation is None
    assert "of another run" in summary.problems[0]


@pytest.mark.parametrize("place", ["gone", "seed_0", "seed_1", "", "x" * 300])
def test_of_an_older_evaluation_only_the_policy_tells(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The run may have been copied since, and its place taken by another."""
    monkeypatch.chdir(runs)
    assert reported(tmp_path, runs / "seed_0", policy="bc", run=place).evaluation is not None
    assert reported(tmp_path, runs / "seed_0", policy="act", run=place).evaluation is None


def test_the_page_says_which_weights_were_evaluated(runs: Path, tmp_path: Path) -> None:
    """A run may have been trained on since."""
    reported(tmp_path, runs / "seed_0", policy="bc", weights="best", step=12)
    assert "bc, transfer cube; best weights of step 12</th>" in (tmp_path / "report.html").read_text(encoding="utf-8")
