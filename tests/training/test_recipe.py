"""A recipe is obeyed: the optimiser written down a second time, and what else would be missed by nobody."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demonstrations import RIG, demonstrate
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from il_robot.episodes.reader import Episode
from il_robot.policies.bc import BcConfig
from il_robot.policies.bins import WIDEST, BinsConfig
from il_robot.policies.catalogue import Config, Network, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch
from il_robot.policies.resnet import ResNet18
from il_robot.policies.vision import VisionConfig
from il_robot.training.checkpoint import load_tensors
from il_robot.training.loop import Training
from il_robot.training.optimiser import Optimiser, learning_rate
from il_robot.training.presets import PRESETS
from il_robot.training.recipe import Augmentation, Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.statistics import Statistics
from il_robot.training.train import train
from il_robot.training.validation import validation_loss
from il_robot.training.windows import Windows, gather

INPUTS = Inputs(("a", "b"), cameras=(CameraInput("top", 8, 8),))
BLIND = Inputs(("a", "b"))
BC = BcConfig(chunk_size=2, hidden=(8,), image_width=4, vision=VisionConfig(channels=(8, 8), keypoints=4))


def network_of(config: Config = BC, inputs: Inputs = INPUTS) -> Network:
    torch.manual_seed(0)
    return build(config, inputs)


def a_batch(size: int = 4) -> Batch:
    random = torch.Generator().manual_seed(1)
    images = {"top": torch.randint(0, 256, (size, 8, 8, 3), generator=random).to(torch.uint8)}
    pad = torch.zeros(size, 2, dtype=torch.bool)
    return Batch(torch.randn(size, 2, generator=random), images, torch.randn(size, 2, 2, generator=random), pad)


@given(st.integers(0, 20), st.integers(21, 60), st.integers(0, 59))
def test_the_rate_rises_on_a_line_and_falls_on_half_a_cosine(warm_up: int, steps: int, step: int) -> None:
    recipe = Recipe(steps=steps, warm_up=warm_up, learning_rate=2.0)
    if step < warm_up:
        expected = 2.0 * (step + 1) / warm_up
    else:
        expected = 1 + math.cos(math.pi * min(1.0, (step - warm_up) / (steps - warm_up)))
    assert learning_rate(recipe, step) == pytest.approx(expected)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_weights_are_those_of_adamw_with_a_clipped_gradient(accumulate: int) -> None:
    """Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2; however the batch is cut."""
    recipe = Recipe(steps=4, warm_up=2, batch=4, learning_rate=0.1, weight_decay=0.5, clip=0.2, accumulate=accumulate)
    # Without images: a bias before a norm has no gradient but rounding, of which Adam makes full steps.
    optimiser, written = (Optimiser(network_of(inputs=BLIND), recipe), network_of(inputs=BLIND))
    batch, parameters = replace(a_batch(), images_BHWC={}), list(written.parameters())
    means, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    for step in range(3):
        found = float(optimiser.learn(batch, step)[1])
        optimiser.update(step)
        gradients = torch.autograd.grad(written.loss(batch).total, parameters)
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        assert found == pytest.approx(norm, rel=1e-4) and norm > recipe.clip
        rate = learning_rate(recipe, step)
        with torch.no_grad():
            for parameter, gradient, mean, square in zip(parameters, gradients, means, squares, strict=True):
                clipped = gradient * recipe.clip / norm
                mean.mul_(0.9).add_(0.1 * clipped)
                square.mul_(0.999).add_(0.001 * clipped**2)
                way = mean / (1 - 0.9 ** (step + 1)) / ((square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
                parameter.sub_(rate * (way + recipe.weight_decay * parameter))
    for ours, expected in zip(optimiser.network.parameters(), parameters, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_the_layout_the_fused_update_and_the_changes_of_images_are_as_asked() -> None:
    plain = Recipe(steps=2, batch=4)
    losses = []
    for recipe in (plain, replace(plain, augmentation=Augmentation(colour=0.9)), replace(plain, channels_last=True)):
        optimiser = Optimiser(network_of(), recipe)
        weights = [module.weight for module in optimiser.network.modules() if isinstance(module, nn.Conv2d)]
        for weight in weights[:2]:
            assert weight.is_contiguous(memory_format=torch.channels_last) == recipe.channels_last
        assert optimiser._adam.defaults["fused"]
        losses.append(float(optimiser.learn(a_batch(), 0)[0].total.detach()))
    assert losses[1] != losses[0]
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Episode:
    return Episode(demonstrate(tmp_path_factory.mktemp("data"), "one", 6))


def windows_of(episode: Episode, inputs: Inputs, chunk_size: int) -> Windows:
    rows = gather([episode], inputs)
    return Windows(rows, {}, Statistics.of(rows.state_NS, rows.action_NJ, inputs.least_spread), chunk_size)


def test_what_is_saved_to_drive_and_what_is_validated_is_the_average(episode: Episode, tmp_path: Path) -> None:
    inputs = Inputs(RIG.joint_names)
    windows = windows_of(episode, inputs, 2)
    torch.manual_seed(0)
    network = build(BinsConfig(chunk_size=2, width=8, heads=2, feed_forward=8, noise=0), inputs)
    training = Training(network, windows, windows, Recipe(steps=3, batch=4, learning_rate=0.1), tmp_path, 0)
    result = training.fit()
    drives, kept = (load_tensors(weights_path(tmp_path, name))[0] for name in ("last", "resume"))
    averaged = {name.removeprefix("average."): tensor for name, tensor in kept.items() if name.startswith("average.")}
    assert drives.keys() == averaged.keys()
    assert all(torch.equal(drives[name], tensor) for name, tensor in averaged.items())
    assert not torch.equal(drives["step"], kept["network.step"])
    assert (drives["low_J"] > -WIDEST).all(), "nobody showed it the demonstrations before its first step"
    validated = copy.deepcopy(network)
    validated.load_state_dict(drives)
    torch.manual_seed(0)
    assert result.validation == validation_loss(validated.eval(), windows, 4, torch.device("cpu"))


def test_the_validation_loss_is_of_the_steps_that_exist(episode: Episode) -> None:
    inputs = Inputs(RIG.joint_names)
    windows, network = windows_of(episode, inputs, 4), network_of(replace(BC, chunk_size=4), inputs).eval()
    errors = []
    for number in range(6):
        one = windows.batch(np.array([number]))
        with torch.no_grad():
            predicted = network.predict(one.state_BS, {})[0]
        steps = min(4, 6 - number)
        errors.append(float((predicted[:steps] - one.action_BkJ[0, :steps]).abs().mean()))
    assert validation_loss(network, windows, 4, torch.device("cpu")) == pytest.approx(np.mean(errors), rel=1e-5)


class Begun(Exception):
    """A training that would begin now."""


def test_imagenet_weights_are_what_training_starts_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demonstrate(tmp_path / "data", "one", 6)
    file = tmp_path / "resnet18.safetensors"
    torch.manual_seed(7)
    save_file(ResNet18().state_dict(), file)

    def look(self: Training, *rest: object) -> None:
        tensors = self.network.state_dict()
        own = {name: tensors[f"observation.cameras.backbones.0.{name}"] for name in load_file(file)}
        assert all(torch.equal(own[name], tensor) for name, tensor in load_file(file).items())
        raise Begun

    monkeypatch.setattr(Training, "fit", look)
    seen = {"cameras": ("cam_low",), "size": (32, 32), "set": (("vision.backbone=resnet18", "hidden=8"),)}
    with pytest.raises(Begun):
        train("bc", (tmp_path / "data",), out=tmp_path / "run", imagenet=file, chunk_size=2, **seen)  # type: ignore[arg-type]


def test_act_as_published_has_the_dimensions_of_the_paper() -> None:
    """Zhao et al. 2023, table III; the parameters of one decoder layer instead of seven, of which one had effect."""
    preset = PRESETS["act", "paper"]
    cameras = tuple(CameraInput(str(number), preset.image_height, preset.image_width) for number in range(4))
    with torch.device("meta"):
        network = build(preset.network, Inputs(tuple(map(str, range(14))), cameras=cameras))
    # ResNet-18's norms are constants, not parameters.
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(51.6e6, rel=2e-3)
    recipe = preset.recipe
    assert (recipe.learning_rate, recipe.batch) == (1e-5, 8)
    assert (preset.cameras, preset.image_height, preset.image_width, preset.objects) == ("all", 480, 640, False)
    named = {"chunk_size": 100, "kl_weight": 10.0, "dropout": 0.1, "heads": 8, "encoder_layers": 4, "latent": 32}
    assert {name: getattr(preset.network, name) for name in named} == named
