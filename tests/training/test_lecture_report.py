"""The benchmark's report: from runs and evaluations to tables, without the hours that the cells take."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from demonstrations import demonstrations

from il_robot.training.train import train


@pytest.fixture
def lecture(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("lecture_cells"), importlib.import_module("lecture_report")


def evaluated(cell: Path, touch: int, transfer: int, held: int) -> None:
    def part(count: int) -> dict[str, float]:
        return {"count": count, "of": 10, "rate": count / 10}

    cell.mkdir(parents=True, exist_ok=True)
    milestones = {"touch": part(touch), "lift": part(touch), "transfer": part(transfer)}
    told = {"held": part(held), "milestones": milestones}
    (cell / "evaluation-10.json").write_text(json.dumps(told))


def test_all_that_is_done_is_written_and_nothing_else(lecture: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    cells, report = lecture
    table = cells.Table(tmp_path, "human", "state")
    data = demonstrations(tmp_path / "data", episodes=1, steps=6)
    rows = {row.name: row for row in cells.ROWS}
    first = table.run(rows["ACT"], 0)
    train("bc", (data,), out=first, steps=1, chunk_size=2, batch=2)
    for name, seed in (("ACT", 1), ("ACT, no CVAE", 0), ("BeT", 0)):
        shutil.copytree(first, table.run(rows[name], seed))
    evaluated(table.cell("ACT", 0), 10, 9, 8)
    evaluated(table.cell("ACT", 1), 10, 8, 6)
    evaluated(table.cell("ACT, no ensembling", 0), 7, 5, 3)
    evaluated(table.cell("ACT, no CVAE", 0), 4, 2, 0)
    report.Report.of(tmp_path, (0, 1, 2), 10).write(tmp_path / "results.md")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| ACT | 100% | 100% | **85%** (64% to 95%) | **70%** (48% to 85%) | 80%, 60% | 0.0 | 50% |" in text
    assert "## Human-like, state" in text
    assert "## Timed" not in text
    assert "BeT |" not in text, "trained, but not driven yet"
    assert "| human-like, state | ACT, no CVAE | 40% |" in text
    assert "| human-like, state | ACT, no ensembling | 70% |" in text
    assert "## Chunk size" not in text, "one size is nothing to compare"
    assert "--rows ACT 'ACT, no ensembling' 'ACT, no CVAE' --write docs/results.md" in text
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_cells_keep_their_folders(lecture: tuple[ModuleType, ModuleType]) -> None:
    cells, _ = lecture
    table = cells.Table(Path("lecture"), "timed", "image")
    assert str(table.cell("ACT, chunks of 10", 2)) == "lecture/timed-image/ACT-chunks-of-10/2"
    assert table.run(next(row for row in cells.ROWS if row.name == "ACT, no ensembling"), 1) == Path(
        "lecture/timed-image/ACT/1/run"
    )
