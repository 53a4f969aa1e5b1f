from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from policy_contract import STATE_ONLY, PolicyContract, random_batch
from two_ways import both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.bet import Bet, BetConfig
from il_robot.policies.kmeans import kmeans
from il_robot.policies.vision import VisionConfig

SMALL = {"width": 32, "heads": 4, "feed_forward": 64, "layers": 1, "centres": 4}


class TestBet(PolicyContract):
    def config(self, chunk_size: int) -> BetConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return BetConfig(chunk_size=chunk_size, **SMALL, temperature=0.0, vision=vision)


def test_kmeans_finds_clusters_that_are_there() -> None:
    true = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    points = true.repeat_interleave(40, 0) + 0.1 * torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    centres = kmeans(points, 3)
    torch.testing.assert_close(centres[centres.sum(1).argsort()][:1], true[:1], atol=0.1, rtol=0)
    assert torch.cdist(true, centres).amin(1).max() < 0.1


def test_more_clusters_than_points_is_no_trouble() -> None:
    centres = kmeans(torch.tensor([[1.0], [2.0]]), 5)
    assert set(centres.flatten().tolist()) == {1.0, 2.0}


def test_the_loss_is_that_of_the_paper() -> None:
    """Equations 1 and 2: of the nearest centre its focal loss, and its offset's square."""
    torch.manual_seed(0)
    network, batch = Bet(BetConfig(chunk_size=3, **SMALL), STATE_ONLY), random_batch(STATE_ONLY, 5, 3)
    batch = replace(batch, pad_Bk=torch.zeros_like(batch.pad_Bk))
    logits_BK, offset_BKkJ = network._answer(batch.state_BS, {})
    focal, offset = [], []
    for logits, offsets, action in zip(logits_BK, offset_BKkJ, batch.action_BkJ, strict=True):
        nearest = min(range(4), key=lambda k: float((network.centre_KkJ[k] - action).norm()))
        p = logits.softmax(0)[nearest]
        focal.append(-((1 - p) ** 2) * p.log())
        offset.append((network.centre_KkJ[nearest] + offsets[nearest] - action).square().mean())
    expected = torch.stack(focal).mean() + 10 * torch.stack(offset).mean()
    torch.testing.assert_close(network.loss(batch).total, expected)


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    windows, inputs = two_ways()
    torch.manual_seed(0)
    network = Bet(BetConfig(chunk_size=2, **SMALL), inputs)
    network.prepare([windows])
    both_ways(network, windows, steps=100)
    l2_fails(windows)


@pytest.mark.parametrize("wrong", [{"width": 30}, {"centres": 0}, {"temperature": -1.0}, {"focus": float("nan")}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="bet: "):
        Bet(BetConfig(**(SMALL | wrong)), STATE_ONLY)  # type: ignore[arg-type]
