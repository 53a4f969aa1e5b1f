from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_contract import STATE_ONLY, PolicyContract, random_batch
from torch import Tensor
from torch.nn import functional as F
from two_ways import both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.bins import Bins, BinsConfig, key_steps, lines_between
from il_robot.policies.network import Batch
from il_robot.policies.vision import VisionConfig

SMALL = {"width": 32, "heads": 4, "feed_forward": 64, "layers": 1}


class TestBins(PolicyContract):
    def config(self, chunk_size: int) -> BinsConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return BinsConfig(chunk_size=chunk_size, every=1, **SMALL, temperature=0.0, vision=vision)


def windows(action_BkJ: Tensor) -> Batch:
    """Windows without padding."""
    state_BS = random_batch(STATE_ONLY, *action_BkJ.shape[:2]).state_BS
    return Batch(state_BS, {}, action_BkJ, torch.zeros(action_BkJ.shape[:2], dtype=torch.bool))


@settings(deadline=None, max_examples=30)
@given(st.floats(-5, 5), st.floats(0.01, 5), st.sampled_from([1.0, 3.0]))
def test_a_target_that_is_named_as_taught_is_what_is_done(low: float, extent: float, spread: float) -> None:
    """Also the least and the largest target: their Gaussians are not cut off."""
    network = Bins(BinsConfig(chunk_size=2, **SMALL, temperature=0.0, spread=spread), STATE_ONLY)
    action = low + extent * torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(0))
    network.prepare([windows(action)])
    as_taught = network._right(network.place_of(action)).log()
    done = network.action_at(network._place(as_taught))
    one_bin = (network.high_J - network.low_J) / network.config.bins
    assert ((done - action).abs() <= 0.1 * one_bin + 1e-5).all()


def test_without_spread_one_bin_is_right_and_its_middle_is_done() -> None:
    network = Bins(BinsConfig(chunk_size=2, **SMALL, spread=0.0, bins=256), STATE_ONLY)
    action = torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(0))
    network.prepare([windows(action)])
    right = network._right(network.place_of(action))
    assert torch.equal(right.sum(-1), torch.ones(8, 2, 3))
    assert torch.equal(right.amax(-1), torch.ones(8, 2, 3))
    named = network._place((right * 100).log())
    torch.testing.assert_close(named, right.argmax(-1) + 0.5)
    assert ((network.action_at(named) - action).abs() <= (network.high_J - network.low_J) / 512 + 1e-5).all()


def test_what_is_done_is_the_mean_of_one_mode_never_of_two() -> None:
    network = Bins(BinsConfig(chunk_size=1, **SMALL, temperature=1.0), STATE_ONLY)
    two = network._right(torch.tensor([30.0, 90.0])).sum(0)
    torch.manual_seed(0)
    place = network._place(two.log().expand(200, 1, 3, -1))
    low = place < 60
    assert 0.3 < low.float().mean() < 0.7
    assert (place[low] - 30).abs().max() < 6
    assert (place[~low] - 90).abs().max() < 6
    assert (place[low] - 30).std() < 0.6 * network.config.spread, "no nearer to the middle than a raw draw"


def test_bins_of_a_joint_that_never_moved() -> None:
    network = Bins(BinsConfig(chunk_size=2, **SMALL), STATE_ONLY)
    value = torch.full((4, 2, 3), 0.7)
    network.prepare([windows(value)])
    torch.testing.assert_close(network.place_of(value), torch.full((4, 2, 3), 64.0))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 120), st.integers(1, 130))
def test_key_steps_reach_from_the_first_to_the_last(chunk_size: int, every: int) -> None:
    keys = key_steps(chunk_size, every)
    assert (keys[0], keys[-1]) == (0, chunk_size - 1)
    gaps = [after - before for before, after in pairwise(keys)]
    assert all(1 <= gap <= every for gap in gaps)
    # Lines bring back what is straight from the first step to the last, and every key step.
    lines = lines_between(keys)
    torch.testing.assert_close(lines @ torch.tensor(keys).float(), torch.arange(chunk_size).float())
    torch.testing.assert_close(lines[keys], torch.eye(len(keys)))


def test_driving_names_the_bins_by_the_probabilities_of_training() -> None:
    """What is found key step by key step follows from the logits that the loss sees."""
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=7, every=2, **SMALL, temperature=0.0, bins=16), STATE_ONLY).eval()
    batch = random_batch(STATE_ONLY, 5, 7)
    named = network.place_of(network.predict(batch.state_BS, {})[:, network.keys])
    steps = network._steps(network.tokens(batch.state_BS, {}), network._told(named[:, :-1]))
    torch.testing.assert_close(network._place(network._logits(steps)), named, atol=1e-4, rtol=1e-4)


def test_a_key_step_knows_what_was_named_before_it_and_nothing_after() -> None:
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=4, every=1, **SMALL), STATE_ONLY).eval()
    tokens = network.tokens(random_batch(STATE_ONLY, 2, 4).state_BS, {})
    told = torch.zeros(2, 3, 3)
    other = told.clone()
    other[:, 1] = 1.0
    change = (network._steps(tokens, other) - network._steps(tokens, told)).abs().amax((0, 2))
    assert (change[:2] < 1e-6).all()
    assert (change[2:] > 1e-3).all()


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_loss_is_the_cross_entropy_of_the_bins(spread: float) -> None:
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=1, **SMALL, bins=8, spread=spread), STATE_ONLY).eval()
    batch = random_batch(STATE_ONLY, 5, 1)
    place = network.place_of(batch.action_BkJ)
    logits = network._logits(network._steps(network.tokens(batch.state_BS, {}), place[:, :0]))
    if spread == 0:
        expected = F.cross_entropy(logits.flatten(0, 2), place.long().clamp(max=7).flatten())
    else:
        gaussian = torch.exp(-0.5 * (torch.arange(8) + 0.5 - place.unsqueeze(-1)) ** 2)
        share = gaussian / gaussian.sum(-1, keepdim=True)
        expected = -(share * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(network.loss(batch).total, expected)


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    both, inputs = two_ways()
    torch.manual_seed(0)
    network = Bins(BinsConfig(chunk_size=2, **SMALL), inputs)
    network.prepare([both])
    both_ways(network, both, steps=150)
    l2_fails(both)


@pytest.mark.parametrize(
    "wrong",
    [{"width": 30}, {"bins": 0}, {"every": 0}, {"temperature": float("inf")}, {"noise": -1.0}, {"spread": -1.0}],
)
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="bins: "):
        Bins(BinsConfig(**(SMALL | wrong)), STATE_ONLY)  # type: ignore[arg-type]
