from __future__ import annotations

import pytest
import torch
from policy_contract import PolicyContract
from two_ways import both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.vae import Vae, VaeConfig
from il_robot.policies.vision import VisionConfig


class TestVae(PolicyContract):
    def config(self, chunk_size: int) -> VaeConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return VaeConfig(chunk_size=chunk_size, hidden=(64, 64), latent=4, image_width=16, vision=vision)


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    windows, inputs = two_ways()
    torch.manual_seed(0)
    network = Vae(VaeConfig(chunk_size=2, hidden=(64, 64), latent=2, kl_weight=0.3), inputs)
    # The decoder is continuous in its latent: a narrow bridge of latents lies between the two ways.
    both_ways(network, windows, steps=400, demonstrated=0.7)
    l2_fails(windows)


def test_without_spread_nothing_is_drawn() -> None:
    windows, inputs = two_ways()
    network = Vae(VaeConfig(chunk_size=2, spread=0.0), inputs)
    chunk = network.predict(windows.state_BS, {})
    assert torch.equal(chunk[0], chunk[1])


@pytest.mark.parametrize("wrong", [{"hidden": (0,)}, {"latent": 0}, {"kl_weight": -1.0}, {"spread": float("nan")}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="vae: "):
        VaeConfig(**wrong)  # type: ignore[arg-type]
