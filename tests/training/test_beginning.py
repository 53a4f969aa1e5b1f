"""What a run says before its first step: what it learns from, what it leaves out and why, and its warm-up."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from demonstrations import demonstrate

from il_robot.cli import main
from il_robot.errors import BadInput
from il_robot.rig import Arm, Camera, Joint, Rig
from il_robot.training.beginning import told_recipe
from il_robot.training.description import read_description
from il_robot.training.distributed import World
from il_robot.training.optimiser import learning_rate
from il_robot.training.run_folder import weights_path
from il_robot.training.train import train
from il_robot.types import Mode

FEW = ["--steps", "2", "--batch", "2", "--chunk-size", "2"]
VALIDATED = "toy_23"
"""This name falls into the validation split."""


def said(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """The lines of a training before its bar."""
    assert main(["train", *map(str, words), *FEW]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_step_that_is_left_out_is_counted_once_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    demonstrate(data, "a", 10, mode=lambda t: Mode.ROBOT if t < 4 else Mode.HUMAN, unseen=(3, 4, 5))
    demonstrate(data, "b", 10, unseen=(0,), missing=(0, 1))
    demonstrate(data, VALIDATED, 10, mode=lambda t: Mode.ROBOT)
    demonstrate(data, "failed", 10, outcome="failure")
    broken = demonstrate(data, "broken", 10)
    (broken / "zarr.json").write_text("{")
    lines = said(capsys, "bc", data, "--out", tmp_path / "run", "--cameras", "cam_high")
    assert lines[0] == "training on 2 episodes, 12 of 20 steps; validation on 1 episode, 0 of 10 steps"
    assert lines[1].startswith(f"left out: {broken}: ")
    assert lines[2:7] == [
        "left out: 1 episode marked a failure (failed)",
        "left out of training: 4 steps not driven by a human (a)",
        "left out of training: 2 steps without the pose of cube (a)",
        "left out of training: 2 steps without cam_high (b)",
        "left out of validation: 10 steps not driven by a human (toy_23)",
    ]
    assert not weights_path(tmp_path / "run", "best").exists(), "nothing was validated"


def test_clean_data_is_one_line_and_a_sweep_says_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demonstrate(tmp_path / "data", "a", 10)
    lines = said(capsys, "bc", tmp_path / "data", "--out", tmp_path / "runs", "--seeds", 0, 1)
    told = [line for line in lines if line.startswith(("training on", "left out"))]
    assert told == [
        "training on 1 episode, 10 of 10 steps; no validation: "
        "none of these episodes falls into its tenth, which their names decide"
    ]


def test_what_another_rig_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one_arm = Rig(
        name="one_arm", rate_hz=50.0, arms=(Arm("right", (Joint("waist", -3, 3, 3),)),), cameras=(Camera("high", 9, 9),)
    )
    demonstrate(tmp_path / "mine", "mine", 6)
    demonstrate(tmp_path / "other", "other", 6, rig=one_arm, objects=())
    out = ["--out", tmp_path / "run", "--weights", 1, 1, "--cameras", "cam_high"]
    lines = said(capsys, "bc", tmp_path / "mine", tmp_path / "other", *out)
    assert lines[1:4] == [
        f"{tmp_path}/other: lacks joints left_waist, left_gripper: not in the loss",
        f"{tmp_path}/other: lacks camera cam_high: black",
        f"{tmp_path}/other: lacks object cube: taken to be at its mean",
    ]


def test_a_short_run_warms_up_for_a_tenth_of_its_steps_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demonstrate(tmp_path / "data", "a", 8)
    command = ["train", "bc", str(tmp_path / "data"), "--batch", "2", "--chunk-size", "2", "--steps", "30"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "warm-up: 3 of 30 steps instead of the 100 of preset tiny, " in capsys.readouterr().out
    recipe = read_description(tmp_path / "run").recipe
    assert recipe.warm_up == 3, "as config.json has it"
    assert learning_rate(recipe, 2) == recipe.learning_rate
    many = replace(read_description(tmp_path / "run"), recipe=replace(recipe, workers=1000))
    assert list(told_recipe(many))[1] == f"workers: {len(os.sched_getaffinity(0))} instead of 1000, one for each core"
    # A longer run keeps what it began with, and says nothing of it.
    again = train("bc", (tmp_path / "data",), out=tmp_path / "run", resume=True, steps=32)
    assert again.step == 32 and read_description(tmp_path / "run").recipe.warm_up == 3
    # What was asked for is done, and not told as if it had been chosen.
    capsys.readouterr()
    assert main([*command, "--out", str(tmp_path / "asked"), "--set", "warm_up=20"]) == 0
    assert json.loads((tmp_path / "asked/config.json").read_text())["recipe"]["warm_up"] == 20
    assert "warm-up" not in capsys.readouterr().out
    with pytest.raises(
        BadInput, match="warm_up=30: of 30 steps the learning rate would never arrive; allowed: 0 to 29"
    ):
        train("bc", (tmp_path / "data",), out=tmp_path / "never", steps=30, chunk_size=2, set=(("warm_up=30",),))


def test_what_cannot_be_is_said_before_images_are_decoded(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (shard,) = (path for path in (demonstrate(data, "a", 8) / "images/cam_high/c").rglob("*") if path.is_file())
    shard.write_bytes(shard.read_bytes()[:-10] + b"no picture")
    looking = {"preset": "tiny-image", "chunk_size": 2, "steps": 1}
    with pytest.raises(BadInput, match="no task 'toy' in the simulator"):
        train("bc", (data,), out=tmp_path / "run", rollouts=1, **looking)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="a batch of 5 cannot be cut equally for 2 processes with 1 part each"):
        World(0, 2).check_batch(5, 1)
