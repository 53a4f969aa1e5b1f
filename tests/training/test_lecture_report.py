"""The benchmark's report: from runs and evaluations to tables, without the hours that the cells take."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from demonstrations import demonstrations

from il_robot.training.train import train


@pytest.fixture
def lecture(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of the benchmark, by the end of its name."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return lambda name: importlib.import_module(f"lecture_{name}")


def evaluated(cell: Path, touch: int, transfer: int, held: int) -> None:
    def part(count: int) -> dict[str, float]:
        return {"count": count, "of": 10, "rate": count / 10}

    cell.mkdir(parents=True, exist_ok=True)
    milestones = {"touch": part(touch), "lift": part(touch), "transfer": part(transfer)}
    told = {"held": part(held), "milestones": milestones}
    (cell / "evaluation-10.json").write_text(json.dumps(told))


def test_all_that_is_done_is_written_and_nothing_else(lecture: Callable[[str], ModuleType], tmp_path: Path) -> None:
    cells, outcomes = lecture("cells"), lecture("results")
    table = cells.Table(tmp_path, "human", "state")
    data = demonstrations(tmp_path / "data", episodes=1, steps=6)
    rows = {row.name: row for row in cells.ROWS}
    first = table.run(rows["ACT"], 0)
    train("bc", (data,), out=first, steps=1, chunk_size=2, batch=2)
    for name, seed in (("ACT", 1), ("ACT, no CVAE", 0), ("BeT", 0)):
        shutil.copytree(first, table.run(rows[name], seed))
    for name, seed in (("ACT", 0), ("ACT", 1), ("ACT, no CVAE", 0)):
        (table.cell(name, seed) / "trained").write_text("2 CPU cores (loom)")
    evaluated(table.cell("ACT", 0), 10, 9, 8)
    evaluated(table.cell("ACT", 1), 10, 8, 6)
    evaluated(table.cell("ACT, no ensembling", 0), 7, 5, 3)
    evaluated(table.cell("ACT, no CVAE", 0), 4, 2, 0)
    made = {"out": tmp_path, "seeds": (0, 1, 2), "starts": 10}
    lecture("report").Report(list(outcomes.computed(**made, demonstrations=2, steps=1))).write(tmp_path / "results.md")
    assert not list(outcomes.computed(**made, demonstrations=2)), "of fewer steps than the preset's"
    assert not list(outcomes.computed(**made, steps=1)), "of fewer demonstrations"
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| ACT | 100% | 100% | **85%** (64% to 95%) | **70%** (48% to 85%) | 80%, 60% | 0.0 | 50% |" in text
    assert "## Human-like, state" in text
    assert "## Timed" not in text
    assert "on 2 CPU cores (loom); on a CPU one thread a run." in text
    assert "BeT |" not in text, "trained, but not driven yet"
    assert "| human-like, state | ACT, no CVAE | 40% |" in text
    assert "| human-like, state | ACT, no ensembling | 70% |" in text
    assert "## Chunk size" not in text, "one size is nothing to compare"
    assert "--rows ACT 'ACT, no ensembling' 'ACT, no CVAE' --write docs/results.md" in text
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_a_cell_is_computed_once(tmp_path: Path) -> None:
    """From demonstrations to a table, by the commands a user would type; of a training that is much too short."""
    script = Path(__file__).parents[2] / "benchmarks" / "lecture_table.py"
    sizes = ["--demonstrations", "1", "--starts", "1", "--steps", "2", "--seeds", "3", "--jobs", "1"]
    words = [sys.executable, str(script), "--out", str(tmp_path), "--styles", "timed", "--rows", "MLP, one action"]
    first = subprocess.run([*words, *sizes], capture_output=True, text=True, check=True)
    assert "| MLP, one action | 0% | 0% |" in first.stdout
    told = tmp_path / "timed-state" / "MLP-one-action" / "3" / "evaluation-1.json"
    written_ns = told.stat().st_mtime_ns
    again = subprocess.run([*words, *sizes], capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
    assert told.stat().st_mtime_ns == written_ns
    for trial in ("--steps", "--demonstrations"):
        asked = [*words, trial, "1", "--write", "x.md"]
        refused = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert f"error: {trial} is for trying out; allowed with --write: 50 dem" in refused.stderr


def test_without_an_outcome_nothing_is_written(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "lecture_table.py"
    words = [sys.executable, str(script), "--out", "no/folder", "--only-write", "--write", str(tmp_path / "x.md")]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (refused.returncode, "error: no cell is done in no/folder, and" in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_cells_keep_their_folders(lecture: Callable[[str], ModuleType]) -> None:
    cells = lecture("cells")
    table = cells.Table(Path("lecture"), "timed", "image")
    assert str(table.cell("ACT, chunks of 10", 2)) == "lecture/timed-image/ACT-chunks-of-10/2"
    assert table.run(next(row for row in cells.ROWS if row.name == "ACT, no ensembling"), 1) == Path(
        "lecture/timed-image/ACT/1/run"
    )


def outcome(module: ModuleType, **told: Any) -> Any:
    counts = {"touch": 10, "lift": 9, "transfer": 8, "held": (7,), "cpu_minutes": 1.5}
    words = {"commit": "abc", "software": "torch 2", "machine": "2 CPU cores"}
    place = {"style": "timed", "observation": "state", "row": "ACT", "seeds": (0,), "starts": 10}
    return module.Outcome(**{**place, **counts, **words, **told})


def test_outcomes_of_another_day_are_added_to_what_is_kept(
    lecture: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    module, file = lecture("results"), tmp_path / "results.jsonl"
    assert module.read_outcomes(file) == []
    pooled = outcome(module, seeds=(0, 1), touch=19, lift=18, transfer=15, held=(8, 6), rounded=True)
    module.write_outcomes(file, [outcome(module, row="flow"), pooled])
    kept = module.read_outcomes(file)
    assert kept == [pooled, outcome(module, row="flow")], "in the table's order"
    new = [outcome(module, seeds=(1,)), outcome(module, seeds=(2,), transfer=4, held=(3,), cpu_minutes=4.5)]
    both = module.added(kept, new)
    assert both == [*kept, new[1]], "seed 1 is told already"
    ((_, (act, flow)),) = module.by_condition(both).items()
    assert (act.reached("transfer").count, act.reached("transfer").of) == (19, 30)
    assert act.held_per_seed == [0.8, 0.6, 0.3]
    assert act.cpu_minutes == 2.5
    assert flow.reached("held").count == 7


def test_figures_in_the_documents_are_those_of_their_outcomes(lecture: Callable[[str], ModuleType]) -> None:
    docs = Path(__file__).parents[2] / "docs"
    report = lecture("report").Report(lecture("results").read_outcomes(docs / "results.jsonl"))
    assert "\n".join(report.tables()).strip() in (docs / "results.md").read_text(encoding="utf-8")
