from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from demonstrations import demonstrate, demonstrations

from il_robot.training.description import read_description
from il_robot.training.identity import identity
from il_robot.training.train import Computing, train


def trained(data: Path, out: Path, **options: object) -> str:
    """The identity of a run."""
    train("bc", (data,), out=out, **{"steps": 2, "chunk_size": 2, "batch": 12, **options})  # type: ignore[arg-type]
    return identity(read_description(out))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return demonstrations(tmp_path / "data", episodes=2, steps=12)


def test_it_is_the_same_for_a_copy_and_when_training_goes_on(data: Path, tmp_path: Path) -> None:
    began = trained(data, tmp_path / "run")
    copy = Path(shutil.copytree(tmp_path / "run", tmp_path / "copy"))
    assert identity(read_description(copy)) == began
    assert trained(data, tmp_path / "run", steps=3, computing=Computing(threads=2), resume=True) == began


def test_it_is_the_same_where_an_older_il_robot_did_not_know_a_setting(data: Path, tmp_path: Path) -> None:
    began = trained(data, tmp_path / "run")
    told = json.loads((tmp_path / "run/config.json").read_text())
    assert told["recipe"].pop("rollouts") == 0
    (tmp_path / "run/config.json").write_text(json.dumps(told))
    assert identity(read_description(tmp_path / "run")) == began


def test_it_is_another_for_another_seed_setting_or_episode(data: Path, tmp_path: Path) -> None:
    found = [
        trained(data, tmp_path / "run"),
        trained(data, tmp_path / "seed", seed=1),
        trained(data, tmp_path / "chunks", chunk_size=3),
        trained(data, tmp_path / "rate", learning_rate=0.01),
    ]
    shutil.rmtree(data / "toy_0.zarr")
    demonstrate(data, "toy_0", 12, offset=0.1)
    found.append(trained(data, tmp_path / "episode"))
    assert len(set(found)) == len(found)
