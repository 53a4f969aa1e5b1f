"""A run that somebody else made, or that was damaged on purpose: one line, whatever its files claim."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from demonstrations import RIG, demonstrations
from safetensors.torch import load_file, save_file
from torch import Tensor

from il_robot.errors import BadInput
from il_robot.policies.act import ActConfig
from il_robot.policies.bet import BetConfig
from il_robot.policies.unet import UNetConfig
from il_robot.policies.vision import VisionConfig
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.loaded_policy import load_policy
from il_robot.training.run_folder import weights_path
from il_robot.training.train import train

Tensors: TypeAlias = dict[str, Tensor]
BIAS = "adam.layers.0.bias.exp_avg"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    demonstrations(folder / "data", episodes=2, steps=8)
    train("bc", (folder / "data",), out=folder / "run", steps=2, chunk_size=2, batch=2, cameras=("cam_high",))
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))


@pytest.mark.parametrize(
    "kind", [torch.float8_e4m3fn, torch.float16, torch.float64, torch.int32, torch.complex64], ids=str
)
def test_weights_of_another_type_are_refused(run: Path, kind: torch.dtype) -> None:
    tensors = load_file(weights_path(run, "last"))
    save_file({name: tensor.to(kind) for name, tensor in tensors.items()}, weights_path(run, "last"))
    with pytest.raises(BadInput, match=f" is of type {str(kind).removeprefix('torch.')} instead of float32"):
        load_policy(run, RIG)


def test_a_tensors_name_cannot_write_on_the_screen(run: Path) -> None:
    tensors = load_file(weights_path(run, "last"))
    save_file(tensors | {"a\n\x1b[2J": torch.zeros(1)}, weights_path(run, "last"))
    with pytest.raises(BadInput, match=r"'a\\n\\x1b\[2J' is not in the network") as told:
        load_policy(run, RIG)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data["inputs"]["cameras"][0].update(height=0), "a size of 0 128; allowed: 1 to 4096 each"),
        (lambda data: data["inputs"]["cameras"][0].update(width=-5), "a size of 96 -5; allowed: 1 to 4096 each"),
        (lambda data: data["inputs"]["cameras"][0].update(width=10**9), "a size of 96 1000000000; allowed"),
        (lambda data: data["network"].update(hidden=[8] * 1001), "bc: 1001 hidden layers; allowed: 0 to 1000"),
        (lambda data: data.update(seed=10**30), "seed 1000.*; allowed: 0 to 4294967295"),
        (lambda data: data.update(seed=-1), "seed -1; allowed: 0 to"),
        # Above 0 and finite, but not in float32, in which it is divided.
        (lambda data: data["statistics"].update(state_std=[1e-320] * 12), "of the state must be finite, deviations"),
        (lambda data: data["statistics"].update(action_mean=[1e300] * 3), "of the action must be finite"),
    ],
)
def test_what_no_run_claims_is_refused(run: Path, change: Callable[[Any], object], told: str) -> None:
    data = json.loads((run / "config.json").read_text())
    change(data)
    (run / "config.json").write_text(json.dumps(data))
    with pytest.raises(BadInput, match=rf"config\.json: .*{told}") as raised:
        load_policy(run, RIG)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: ActConfig(encoder_layers=100_000), "encoder_layers 100000; allowed: 1 to 1000"),
        (lambda: ActConfig(style_layers=100_000), "style_layers 100000; allowed: 0 to 1000"),
        (lambda: BetConfig(layers=1001), "layers 1001; allowed: 1 to 1000"),
        (lambda: UNetConfig(channels=(8,) * 2000), "2000 levels of channels; allowed: 1 to 20"),
        (lambda: VisionConfig(channels=(8,) * 2000), "2000 channels; allowed: 2 to 1000"),
    ],
)
def test_what_would_take_for_ever_to_build_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        made()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors, facts: facts.update(step="-5"), "not what a run saves to go on: step -5"),
        (lambda tensors, facts: facts.update(checked="[1, 2, 3]"), "not what a run saves to go on"),
        (lambda tensors, facts: facts.update(averages='{"count": 1, "sums": [2]}'), "not what a run saves to go on"),
        (lambda tensors, facts: facts.update(best="[" * 100_000), "not what a run saves to go on"),
        (
            lambda tensors, facts: tensors.update(averaged=torch.zeros(2)),
            "not what a run saves to go on: only one element",
        ),
        (
            lambda tensors, facts: tensors.pop("network.layers.0.weight"),
            "its configuration: layers.0.weight is missing",
        ),
        (lambda tensors, facts: tensors.pop("average.layers.0.bias"), "its configuration: layers.0.bias is missing"),
        (lambda tensors, facts: tensors.pop(BIAS), "configuration: Adam's averages of layers.0.bias$"),
        (lambda tensors, facts: tensors.update({BIAS: torch.zeros(3)}), "Adam's averages of layers.0.bias$"),
    ],
)
def test_a_save_that_cannot_be_gone_on_from_is_refused(
    trained: Path, run: Path, change: Callable[[Tensors, dict[str, str]], object], told: str
) -> None:
    path = weights_path(run, "resume")
    tensors, facts = load_tensors(path)
    change(tensors, facts)
    save_tensors(path, tensors, facts)
    with pytest.raises(BadInput, match=told) as raised:
        train("bc", (trained / "data",), out=run, resume=True, steps=3)
    assert "\n" not in str(raised.value)
