from __future__ import annotations

import pytest
import torch
from policy_contract import STATE_ONLY, PolicyContract
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
