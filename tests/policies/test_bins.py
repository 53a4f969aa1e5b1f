from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_contract import STATE_ONLY, PolicyContract, random_batch
from torch.nn import functional as F
from two_ways import both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.bins import Bins, BinsConfig
from il_robot.policies.vision import VisionConfig

SMALL = {"width": 32, "heads": 4, "feed_forward": 64, "layers": 1}


class TestBins(PolicyContract):
    def config(self, chunk_size: int) -> BinsConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return BinsConfig(chunk_size=chunk_size, **SMALL, temperature=0.0, vision=vision)


@settings(deadline=None, max_examples=30)
@given(st.floats(-5, 5), st.floats(0.01, 5))
def test_a_target_within_the_range_comes_back_within_half_a_bin(low: float, extent: float) -> None:
    network = Bins(BinsConfig(chunk_size=2, **SMALL), STATE_ONLY)
    batch = random_batch(STATE_ONLY, 8, 2)
    action = low + extent * torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(0))
    whole = type(batch)(batch.state_BS, {}, action, torch.zeros(8, 2, dtype=torch.bool))
    network.prepare([whole])
    error = (network.middle_of(network.bin_of(action)) - action).abs()
    assert (error <= (network.high_J - network.low_J) / 512 + 1e-5).all()


def test_bins_of_a_joint_that_never_moved() -> None:
    network = Bins(BinsConfig(chunk_size=2, **SMALL), STATE_ONLY)
    batch = random_batch(STATE_ONLY, 4, 2)
    network.prepare([type(batch)(batch.state_BS, {}, torch.full((4, 2, 3), 0.7), torch.zeros_like(batch.pad_Bk))])
    value = torch.full((1, 1, 3), 0.7)
    torch.testing.assert_close(network.middle_of(network.bin_of(value)), value, atol=3e-3, rtol=0)


def test_driving_names_the_bins_by_the_probabilities_of_training() -> None:
    """The most likely bins found one by one are the most likely of the logits that the loss sees."""
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=4, **SMALL, temperature=0.0, bins=16), STATE_ONLY).eval()
    batch = random_batch(STATE_ONLY, 5, 4)
    named = network.bin_of(network.predict(batch.state_BS, {}))
    told = network._told(named)
    steps = network._steps(network.tokens(batch.state_BS, {}), told[:, :-1])
    assert torch.equal(network._logits(steps, told).argmax(-1), named)


def test_the_loss_is_the_cross_entropy_of_the_bins() -> None:
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=1, **SMALL, bins=8), STATE_ONLY).eval()
    batch = random_batch(STATE_ONLY, 5, 1)
    bins = network.bin_of(batch.action_BkJ)
    told = network._told(bins)
    logits = network._logits(network._steps(network.tokens(batch.state_BS, {}), told[:, :0]), told)
    torch.testing.assert_close(network.loss(batch).total, F.cross_entropy(logits.flatten(0, 2), bins.flatten()))


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    windows, inputs = two_ways()
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=2, **SMALL), inputs)
    network.prepare([windows])
    both_ways(network, windows, steps=150)
    l2_fails(windows)


@pytest.mark.parametrize("wrong", [{"width": 30}, {"bins": 0}, {"temperature": float("inf")}, {"noise": -1.0}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="bins: "):
        Bins(BinsConfig(**(SMALL | wrong)), STATE_ONLY)  # type: ignore[arg-type]
