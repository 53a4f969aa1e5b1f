from __future__ import annotations

import json
from pathlib import Path

import pytest
from demonstrations import demonstrations

from il_robot.errors import BadInput
from il_robot.training.runs import runs
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
    assert len(set(values)) == 3


def test_a_table_tells_in_what_runs_differ(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(trained)
    runs((Path("odd"), Path("three")), picture=trained / "curves.png")
    out = capsys.readouterr().out
    assert "odd differs: chunk_size 4, steps 2" in out
    assert "±" in out
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        runs((tmp_path / "absent",))
    with pytest.raises(BadInput, match="holds no training run"):
        runs((tmp_path,))
