"""What exports carry along for our own import: damaged in any way, it is one clear line."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bimanual
import h5py
import numpy as np
import pytest

from il_robot.cli import main

Damage = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    bimanual.dataset(folder / "source", 1)
    for kind in ("aloha", "lerobot"):
        assert main(["dataset", "export", kind, str(folder / "source"), str(folder / kind)]) == 0
    return folder


def refused(words: list[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["dataset", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.update(version=99), "not of il-robot episode version 1"),
        (lambda facts: facts["info"].pop("fps"), "fps"),
        (lambda facts: facts["info"].update(fps="fast"), "fps"),
        (lambda facts: facts["info"]["joints"].pop(), "other joints"),
        (lambda facts: facts["info"]["cameras"].pop(), "time/camera_ns"),
        (lambda facts: facts["info"]["cameras"][0].update(width=50), "not as it was exported"),
        (lambda facts: facts["info"].update(followers=["one"]), "time/joint_ns"),
        (lambda facts: facts["recorded"].update(outcome="splendid"), "outcome"),
    ],
)
def test_facts_that_do_not_fit_are_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Damage, words: str
) -> None:
    file = exported / "lerobot/meta/il_robot.json"
    whole = file.read_text()
    told = json.loads(whole)
    change(told[0])
    file.write_text(json.dumps(told))
    try:
        assert words in refused(["import", "lerobot", exported / "lerobot", tmp_path / "back"], capsys)
    finally:
        file.write_text(whole)
    assert not list(tmp_path.glob("back/*.zarr"))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("facts", "{", "not JSON"),
        ("facts", 3, "no text"),
        ("facts", '{"format": "il-robot episode", "version": 1}', "info"),
        ("control/mode", np.full(bimanual.STEPS, 300), "numbers that are not"),
        ("time/camera_ns", np.zeros((3, 2), np.int64), "time/camera_ns"),
        ("time/step_ns", np.array([b"x"] * bimanual.STEPS), "time/step_ns"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, value: object, words: str
) -> None:
    copy = tmp_path / "episode_0.hdf5"
    copy.write_bytes((exported / "aloha/episode_0.hdf5").read_bytes())
    with h5py.File(copy, "a") as root:
        del root[f"il_robot/{path}"]
        root[f"il_robot/{path}"] = value
    assert words in refused(["import", "aloha", copy, tmp_path / "back"], capsys)
    assert not list(tmp_path.glob("back/*.zarr"))


def test_flipped_bits_in_the_facts_are_refused_or_read(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, chance = shutil.copytree(exported / "lerobot", tmp_path / "copy"), random.Random(3)
    file = copy / "meta/il_robot.json"
    whole = file.read_bytes()
    for attempt in range(60):
        flipped = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        file.write_bytes(flipped)
        assert main(["dataset", "import", "lerobot", str(copy), str(tmp_path / f"{attempt}")]) in (0, 2)
        assert capsys.readouterr().err.count("\n") <= 1
