"""A run goes on with what it began with, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from demonstrations import demonstrate, demonstrations

from il_robot.cli import main
from il_robot.errors import BadInput, Fault
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.description import read_description
from il_robot.training.loop import Training
from il_robot.training.run_folder import weights_path
from il_robot.training.train import Computing, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that looks at one camera, in ``run``; its episodes are in ``data``."""
    folder = tmp_path_factory.mktemp("resuming")
    demonstrations(folder / "data", episodes=3, steps=12)
    train("bc", (folder / "data",), out=folder / "run", steps=2, chunk_size=2, batch=12, cameras=("cam_high",))
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def again(data: Path, name: str, **changes: object) -> None:
    shutil.rmtree(data / f"{name}.zarr")
    demonstrate(data, name, 12, **changes)  # type: ignore[arg-type]


def other_pictures(data: Path) -> None:
    shutil.rmtree(data / "toy_1.zarr" / "images")
    shutil.copytree(data / "toy_0.zarr" / "images", data / "toy_1.zarr" / "images")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_pictures, "began with other contents of .*toy_1.zarr"),
        (lambda data: again(data, "toy_1", offset=0.1), "began with other contents of .*toy_1.zarr"),
        (lambda data: again(data, "toy_23", offset=0.1), "began with other contents of .*toy_23.zarr"),
        (lambda data: again(data, "toy_1", missing=(3,)), "began with other contents of .*toy_1.zarr"),
        (lambda data: again(data, "toy_1", outcome="failure"), "other training episodes: with toy_1, which is not"),
        (lambda data: demonstrate(data, "toy_more", 12), "other training episodes: without toy_more"),
        (lambda data: shutil.rmtree(data / "toy_23.zarr"), "other validation episodes: with toy_23, which is not"),
    ],
    ids=["pictures", "positions", "validation", "frames", "outcome", "new", "gone"],
)
def test_other_data_is_one_line_that_names_the_episode(
    folder: Path, change: Callable[[Path], object], told: str
) -> None:
    change(folder / "data")
    with pytest.raises(BadInput, match=told) as caught:
        train("bc", (folder / "data",), out=folder / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_copied_data_is_the_same_data(folder: Path) -> None:
    shutil.copytree(folder / "data", folder / "elsewhere")
    assert train("bc", (folder / "elsewhere",), out=folder / "run", resume=True).step == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seed", "5"], "began with seed 0, not 5"),
        (["--preset", "tiny-image"], "began with preset tiny, not tiny-image"),
        (["--rollouts", "3"], "began with rollouts 0, not 3"),
        (["--size", "9", "16"], "began with size 96 128, not 9 16"),
        (["--history", "2"], "began with history 1, not 2"),
        (["--batch", "24"], "began with batch 12, not 24"),
        (["--colour", "0.5"], "began with augmentation.colour 0.0, not 0.5"),
        (["--accumulate", "3"], "began with a batch in 1 part, now 3: other noise"),
        (["--steps", "0"], "--steps 0: the run has 2; --resume can only add some"),
        (["--threads", "-3"], "threads=-3; allowed: 0 to 1024"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_another_option_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["train", "bc", str(folder / "data"), "--out", str(folder / "run"), "--resume", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_the_same_options_and_another_machine_are_no_matter(folder: Path) -> None:
    said = {"preset": "tiny", "seed": 0, "batch": 12, "rollouts": 0, "cameras": ("cam_high",), "chunk_size": 2}
    elsewhere = Computing(threads=2, workers=1)
    train("bc", (folder / "data",), out=folder / "run", resume=True, computing=elsewhere, **said)  # type: ignore[arg-type]
    recipe = read_description(folder / "run").recipe
    assert (recipe.steps, recipe.threads, recipe.workers) == (2, 2, 1)


def test_an_older_save_goes_on_with_as_many_parts(folder: Path) -> None:
    """It does not say in how many a batch was cut; the run's configuration does."""
    path = weights_path(folder / "run", "resume")
    tensors, facts = load_tensors(path)
    del facts["parts"]
    save_tensors(path, tensors, facts)
    more = {"out": folder / "run", "resume": True, "steps": 3}
    with pytest.raises(BadInput, match="began with a batch in 1 part, now 2: other noise; allowed: processes"):
        train("bc", (folder / "data",), computing=Computing(accumulate=2), **more)  # type: ignore[arg-type]
    assert train("bc", (folder / "data",), **more).step == 3  # type: ignore[arg-type]


def test_a_run_of_before_there_were_fingerprints_goes_on(folder: Path) -> None:
    path = folder / "run" / "config.json"
    data = json.loads(path.read_text())
    del data["preset"], data["data"]["fingerprints"], data["recipe"]["rollouts"]
    path.write_text(json.dumps(data))
    assert train("bc", (folder / "data",), out=folder / "run", resume=True, preset="tiny").step == 2


def test_a_run_that_is_being_trained_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would mix their lines, and the weights of one with the optimiser of the other."""
    refused = 0

    def try_too(self: Training, *rest: object) -> None:
        nonlocal refused
        with pytest.raises(Fault, match="run: another training writes it right now"):
            train("bc", (folder / "data",), out=folder / "run", resume=True)
        refused += 1

    monkeypatch.setattr(Training, "_log", try_too)
    train("bc", (folder / "data",), out=folder / "run", resume=True, steps=4)
    assert refused == 2


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_others_may_read_a_checkpoint_as_far_as_the_umask_says(folder: Path, mask: int) -> None:
    (folder / "new" / "checkpoint").mkdir(parents=True)
    (folder / "new" / "checkpoint" / ".tmpLeft").touch()
    before = os.umask(mask)
    try:
        train("bc", (folder / "data",), out=folder / "new", steps=1, chunk_size=2)
    finally:
        os.umask(before)
    files = [path for path in (folder / "new").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"last.safetensors", "resume.safetensors", "config.json"}
    assert ".tmpLeft" not in {path.name for path in files}, "what a killed save left"
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~mask}


def test_without_tensorboard_nothing_is_written(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BadInput, match="--tensorboard needs TensorBoard: pip install"):
        train("bc", (trained / "data",), out=tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()
