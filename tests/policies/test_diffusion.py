from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from policy_contract import PolicyContract
from torch import Tensor
from two_ways import INPUTS, both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.diffusion import Diffusion, DiffusionConfig, kept_signal
from il_robot.policies.unet import UNetConfig
from il_robot.policies.vision import VisionConfig

SMALL = UNetConfig(
    channels=(16, 16), groups=4, time_width=16, image_width=16, vision=VisionConfig(channels=(8, 8, 8), keypoints=8)
)


class TestDiffusion(PolicyContract):
    overfit_steps = 250

    def config(self, chunk_size: int) -> DiffusionConfig:
        return DiffusionConfig(chunk_size=chunk_size, sample_steps=2, unet=SMALL)


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    windows, _ = two_ways()
    torch.manual_seed(0)
    config = DiffusionConfig(chunk_size=2, clip=1.5, unet=UNetConfig(channels=(32,), time_width=16))
    both_ways(Diffusion(config, INPUTS), windows, steps=400)
    l2_fails(windows)


def test_schedule_is_the_squared_cosine() -> None:
    """Equation 17 of Nichol and Dhariwal 2021, with their bound of 0.999 on one step's noise."""

    def smooth(t: float) -> float:
        return math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2

    kept, expected = 1.0, []
    for t in range(100):
        kept *= 1 - min(0.999, 1 - smooth(t + 1) / smooth(t))
        expected.append(kept)
    torch.testing.assert_close(kept_signal(100), torch.tensor(expected))


@pytest.mark.parametrize("target", ["noise", "velocity"])
@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (10, 0.0), (100, 1.0)])
def test_who_knows_the_action_denoises_to_it(target: Literal["noise", "velocity"], steps: int, eta: float) -> None:
    """A network that answers for the action 0.7 exactly is led there by every sampler."""
    config = DiffusionConfig(chunk_size=4, sample_steps=steps, target=target, eta=eta)
    network = Diffusion(config, INPUTS)

    def exact(x_BLJ: Tensor, level_B: Tensor, seen_BX: Tensor) -> Tensor:
        kept = network.kept_T[(level_B * 100).round().long()].view(-1, 1, 1)
        noise = (x_BLJ - kept.sqrt() * 0.7) / (1 - kept).sqrt()
        return noise if target == "noise" else kept.sqrt() * noise - (1 - kept).sqrt() * 0.7

    network.unet.forward = exact  # type: ignore[method-assign]
    torch.testing.assert_close(network.predict(torch.zeros(3, 1), {}), torch.full((3, 4, 1), 0.7), atol=1e-3, rtol=0)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_samples_of_a_gaussian_have_its_spread(eta: float) -> None:
    """For actions N(0.5, 0.2^2) the best guess of the noise is known, and every step together reproduces them."""
    config = DiffusionConfig(chunk_size=4, sample_steps=100, target="noise", eta=eta)
    network = Diffusion(config, INPUTS)

    def best(x_BLJ: Tensor, level_B: Tensor, seen_BX: Tensor) -> Tensor:
        kept = network.kept_T[(level_B * 100).round().long()].view(-1, 1, 1)
        return (1 - kept).sqrt() * (x_BLJ - kept.sqrt() * 0.5) / (kept * 0.04 + 1 - kept)

    network.unet.forward = best  # type: ignore[method-assign]
    torch.manual_seed(0)
    drawn = network.predict(torch.zeros(2000, 1), {})
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("wrong", [{"sample_steps": 101}, {"eta": 1.5}, {"clip": 0.0}, {"train_steps": 0}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="diffusion: "):
        DiffusionConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"channels": ()}, {"channels": (12,)}, {"kernel": 4}, {"time_width": 3}])
def test_impossible_u_nets_are_one_line(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="unet: "):
        UNetConfig(**wrong)  # type: ignore[arg-type]
