from __future__ import annotations

import pytest
import torch
from policy_contract import PolicyContract
from torch import Tensor
from two_ways import INPUTS, both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.flow import Flow, FlowConfig
from il_robot.policies.unet import UNetConfig
from il_robot.policies.vision import VisionConfig

SMALL = UNetConfig(
    channels=(16, 16), groups=4, time_width=16, image_width=16, vision=VisionConfig(channels=(8, 8, 8), keypoints=8)
)


class TestFlow(PolicyContract):
    overfit_steps = 150

    def config(self, chunk_size: int) -> FlowConfig:
        return FlowConfig(chunk_size=chunk_size, sample_steps=1, unet=SMALL)


def test_two_ways_stay_two_where_the_mean_is_neither() -> None:
    windows, _ = two_ways()
    torch.manual_seed(0)
    both_ways(
        Flow(FlowConfig(chunk_size=2, unet=UNetConfig(channels=(32,), time_width=16)), INPUTS), windows, steps=300
    )
    l2_fails(windows)


def test_the_velocity_of_one_action_flows_to_it() -> None:
    """Where all actions are a, the mean velocity at x is (a - x) / (1 - t): Euler's steps end on a exactly."""
    network = Flow(FlowConfig(chunk_size=4), INPUTS)

    def exact(x_BLJ: Tensor, time_B: Tensor, seen_BX: Tensor) -> Tensor:
        return (0.7 - x_BLJ) / (1 - time_B.view(-1, 1, 1))

    network.unet.forward = exact  # type: ignore[method-assign]
    torch.testing.assert_close(network.predict(torch.zeros(3, 1), {}), torch.full((3, 4, 1), 0.7))


@pytest.mark.parametrize("wrong", [{"sample_steps": 0}, {"time_bias": 0.0}, {"chunk_size": -1}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="flow: "):
        FlowConfig(**wrong)  # type: ignore[arg-type]
