from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import stdev

import pytest
from demonstrations import demonstrations

from il_robot.cli import main
from il_robot.errors import BadInput
from il_robot.report.sources import Loaded, Trained
from il_robot.report.summary import summarise_loop
from il_robot.training.amounts import loss_text, time_text
from il_robot.training.curves import Curve
from il_robot.training.description import read_description
from il_robot.training.journal import METRICS, read_metrics
from il_robot.training.run_facts import read_run
from il_robot.training.runs import find_runs, runs
from il_robot.training.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    data = demonstrations(folder / "data", episodes=2, steps=12)
    train("bc", (data,), out=folder / "three", steps=3, chunk_size=2, batch=8, seeds=(0, 1, 2))
    train("bc", (data,), out=folder / "odd", steps=2, chunk_size=4, batch=8)
    return folder


def test_seeds_are_runs_of_their_own_and_are_summed_up(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs((trained,), json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(run["path"]).name for run in told["runs"]] == ["odd", "seed_0", "seed_1", "seed_2"]
    (group,) = told["seeds"]
    assert group["seeds"] == [0, 1, 2]
    values = [run["loss"] for run in told["runs"][1:]]
    assert group["loss"]["mean"] == pytest.approx(sum(values) / 3)
    assert group["loss"]["high"] - group["loss"]["mean"] == pytest.approx(4.3027 * stdev(values) / 3**0.5, rel=1e-4)
    assert "held" not in group, "nobody looked"
    assert len(set(values)) == 3


def test_a_held_share_has_the_interval_of_all_seeds_starts(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs_of_three = shutil.copytree(trained / "three", tmp_path / "three")
    for seed, held in enumerate((0.9, 1.0, 0.8)):
        with (runs_of_three / f"seed_{seed}" / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 3, "held": held, "starts": 20}) + "\n")
    assert runs((tmp_path,), json=True) == 0
    (group,) = json.loads(capsys.readouterr().out)["seeds"]
    assert (group["held"]["count"], group["held"]["of"], group["held"]["rate"]) == (54, 60, 0.9)
    assert (group["held"]["low"], group["held"]["high"]) == pytest.approx((0.798, 0.953), abs=1e-3)
    runs((tmp_path,))
    assert "90% (80% to 95%)" in capsys.readouterr().out


def test_a_table_tells_in_what_runs_differ(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(trained)
    runs((Path("odd"), Path("three")), picture=trained / "curves.png")
    out = capsys.readouterr().out
    (row,) = (line for line in out.splitlines() if line.startswith("odd "))
    assert row.endswith("chunk_size 4, steps 2")
    assert out.count("odd") == 1, "a path is told once"
    assert "±" in out
    assert "held" not in out, "nobody looked"
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("columns", ["40", "80", "140"])
def test_paths_and_figures_stay_whole_in_any_width(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    sweep = Path("a_long_name_of_a_sweep") / "chunk_size_2,hidden_16x16,dropout_0.1"
    shutil.copytree(trained / "three", sweep)
    runs((Path("a_long_name_of_a_sweep"),))
    words = capsys.readouterr().out.split()
    for seed in range(3):
        run = read_run(sweep / f"seed_{seed}")
        assert run.loss is not None and run.validation is not None and run.cpu_s is not None
        figures = [loss_text(run.loss), loss_text(run.validation), time_text(run.cpu_s).split()[0]]
        assert {str(run.path), *figures} <= set(words)


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_figures_over_seeds_stay_whole_in_any_width(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    here = shutil.copytree(trained / "three", tmp_path / "three")
    for seed in range(3):
        with (here / f"seed_{seed}" / METRICS).open("a") as file:
            file.write(json.dumps({"step": 3, "held": 0.9, "starts": 20, "cpu_s": 100.0 + seed}) + "\n")
    monkeypatch.setenv("COLUMNS", columns)
    runs((here,))
    out = capsys.readouterr().out
    for figure in ("0 1 2", "90% (80% to 95%)", "1.683 ± 0.041 min"):
        assert figure in out


def test_seeds_share_a_line_of_the_legend_and_one_run_trained_twice_does_not(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Curve] = []
    monkeypatch.setattr("il_robot.training.runs.draw_curves", lambda curves, path: drawn.extend(curves))
    monkeypatch.chdir(trained)
    runs((Path("odd"), Path("three")), picture=tmp_path / "curves.png")
    assert [curve.name for curve in drawn] == ["odd", *["bc (3 seeds)"] * 3]
    drawn.clear()
    again = shutil.copytree(trained / "odd", tmp_path / "again")
    runs((Path("odd"), again), picture=tmp_path / "curves.png")
    assert [curve.name for curve in drawn] == ["odd", str(again)]


@pytest.mark.parametrize("json_asked", [False, True])
def test_a_damaged_run_is_named_and_hides_no_other(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], json_asked: bool
) -> None:
    here = shutil.copytree(trained / "three", tmp_path / "three")
    (here / "seed_1" / "config.json").write_text("{")
    assert main(["runs", str(here), "--picture", str(tmp_path / "curves.png"), *(["--json"] * json_asked)]) == 1
    said = capsys.readouterr()
    assert said.err == f"error: {here}/seed_1/config.json: damaged: not JSON\n"
    if json_asked:
        assert [run["seed"] for run in json.loads(said.out)["runs"]] == [0, 2]
    else:
        assert "2 runs" in said.out


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('{"step": 3, "loss": NaN}\n{"step": 3, "validation": Infinity}', None),
        ('{"step": 3, "loss": 1' + "0" * 400 + "}", None),
        ('{"step": 1' + "0" * 400 + ', "loss": 1.0}\n{"step": -5, "loss": 1.0}', None),
        ('{"step": 3, "held": 0.5, "starts": NaN}', None),
        ('{"step": 3, "held": 5.0, "starts": 20}', "held 5.0 of 20.0 starts"),
        ('{"step": 3, "held": 0.5, "starts": -1}', "held 0.5 of -1.0 starts"),
    ],
)
def test_numbers_that_no_run_writes_hide_no_other_run(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, told: str | None
) -> None:
    here = shutil.copytree(trained / "three", tmp_path / "three")
    (here / "seed_1" / METRICS).write_text(lines)
    assert main(["runs", str(here), "--json", "--picture", str(tmp_path / "curves.png")]) == (told is not None)
    said = capsys.readouterr()
    assert said.err == ("" if told is None else f"error: {here}/seed_1/metrics.jsonl: {told}\n")
    assert [run["seed"] for run in json.loads(said.out)["runs"]] == ([0, 1, 2] if told is None else [0, 2])


def test_a_configuration_that_is_no_file_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = shutil.copytree(trained / "three", tmp_path / "three")
    (here / "seed_1" / "config.json").unlink()
    (here / "seed_1" / "config.json").mkdir()
    assert main(["runs", str(here)]) == 1
    assert capsys.readouterr().err == f"error: {here}/seed_1/config.json: Is a directory\n"


def test_a_line_of_garbage_is_named_and_only_a_cut_off_last_one_passes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = shutil.copytree(trained / "three", tmp_path / "three")
    for seed, garbage in ((1, "garbage\n"), (2, '{"step": 4, "lo')):
        with (here / f"seed_{seed}" / METRICS).open("a") as file:
            file.write(garbage)
    line = len((here / "seed_1" / METRICS).read_text().splitlines())
    assert main(["runs", str(here)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("2 runs\n")
    why = f"damaged: line {line} is not a JSON object of numbers with a step"
    assert said.err == f"error: {here}/seed_1/metrics.jsonl: {why}\n"


def test_where_all_is_damaged_there_is_no_table_and_no_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"type": "act"}')
    assert main(["runs", str(tmp_path), "--picture", str(tmp_path / "curves.png")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {tmp_path}/foreign/config.json: ")
    assert not (tmp_path / "curves.png").exists()
    assert main(["runs", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"runs": [], "seeds": []}


def test_no_run_hides_another(trained: Path) -> None:
    few = {"steps": 1, "chunk_size": 2}
    with pytest.raises(BadInput, match="odd: a run itself, so other runs cannot lie in it"):
        train("bc", (trained / "data",), out=trained / "odd", seeds=(0, 1), **few)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"three: holds other runs, such as seed_[012]; choose another --out"):
        train("bc", (trained / "data",), out=trained / "three", **few)  # type: ignore[arg-type]
    with pytest.raises(
        BadInput, match=r"three: holds other runs, .*; name one of those, or, of a sweep, give its --seeds"
    ):
        train("bc", (trained / "data",), out=trained / "three", resume=True, **few)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"--out .*data: the dataset itself"):
        train("bc", (trained / "data",), out=trained / "data", **few)  # type: ignore[arg-type]
    assert len(find_runs((trained,))) == 4


@pytest.mark.parametrize(("name", "told"), [("x", "allowed: a .png file"), ("absent/x.png", "no such folder")])
def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        runs((trained,), picture=tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_report_tells_as_many_steps_as_the_table(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "cut"
    shutil.copytree(trained / "odd", run)
    lines = [line for line in (run / METRICS).read_text().splitlines(True) if "loss" in line]
    (run / METRICS).write_text(lines[0])  # killed before the line of its first save
    trained_run = Trained(run, read_description(run), read_metrics(run))
    summary = summarise_loop(Loaded(trained=trained_run), tmp_path / "report.html")
    assert summary.training is not None
    assert summary.training.steps == read_run(run).step == 1


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        runs((tmp_path / "absent",))
    with pytest.raises(BadInput, match="holds no training run"):
        runs((tmp_path,))
