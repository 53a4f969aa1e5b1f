from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from policy_contract import STATE_ONLY, PolicyContract, random_batch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from two_ways import both_ways, l2_fails, two_ways

from il_robot.errors import BadInput
from il_robot.policies.gmm import Gmm, GmmConfig
from il_robot.policies.network import Batch, valid_mean
from il_robot.policies.vision import VisionConfig


class TestGmm(PolicyContract):
    def config(self, chunk_size: int) -> GmmConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        sizes = {"chunk_size": chunk_size, "modes": 3, "image_width": 16}
        return GmmConfig(**sizes, hidden=(64, 64), temperature=0.0, vision=vision)


def test_likelihood_agrees_with_torch() -> None:
    torch.manual_seed(0)
    network, batch = Gmm(GmmConfig(chunk_size=4, modes=3, hidden=(16,)), STATE_ONLY), random_batch(STATE_ONLY, 5, 4)
    logits, mean, std = network._mixture(batch.state_BS, {})
    logs = []
    for window in range(5):
        valid = ~batch.pad_Bk[window]
        modes = Independent(Normal(mean[window][:, valid], std[window][:, valid]), 2)
        mixture = MixtureSameFamily(Categorical(logits=logits[window]), modes)
        logs.append(mixture.log_prob(batch.action_BkJ[window, valid]) / (int(valid.sum()) * 3))
    torch.testing.assert_close(network.loss(batch).total, -torch.stack(logs).mean())


def _slopes(config: GmmConfig, loss: Callable[[Gmm, Batch], Tensor]) -> dict[str, Tensor]:
    """The gradient of a loss by each parameter, of the same network and windows."""
    torch.manual_seed(0)
    network, batch = Gmm(config, STATE_ONLY), random_batch(STATE_ONLY, 6, 4)
    loss(network, batch).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}


def test_with_hardly_any_beta_the_gradient_is_the_likelihoods() -> None:
    plain, hardly = (
        _slopes(
            GmmConfig(chunk_size=4, modes=3, hidden=(16,), beta=beta), lambda network, batch: network.loss(batch).total
        )
        for beta in (0.0, 1e-9)
    )
    torch.testing.assert_close(hardly, plain)


def test_with_a_beta_of_one_a_mean_follows_the_squared_error() -> None:
    def squared_error(network: Gmm, batch: Batch) -> Tensor:
        mean_BkJ = network._mixture(batch.state_BS, batch.images_BHWC)[1][:, 0]
        return valid_mean(0.5 * (mean_BkJ - batch.action_BkJ).square(), batch.pad_Bk)

    config = GmmConfig(chunk_size=4, modes=1, hidden=(16,), beta=1.0)
    heeded, plain = _slopes(config, lambda network, batch: network.loss(batch).total), _slopes(config, squared_error)
    for name in ("mean.weight", "mean.bias"):
        torch.testing.assert_close(heeded[name], plain[name])


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_an_absent_joint_is_left_away(beta: float) -> None:
    torch.manual_seed(0)
    network, batch = Gmm(GmmConfig(chunk_size=2, beta=beta), STATE_ONLY), random_batch(STATE_ONLY, 2, 2)
    absent = torch.tensor([[False, False, True]]).expand(2, -1)
    told = type(batch)(batch.state_BS, {}, batch.action_BkJ, batch.pad_Bk, absent)
    other = batch.action_BkJ.clone()
    other[..., 2] = 9.0
    same = type(batch)(batch.state_BS, {}, other, batch.pad_Bk, absent)
    assert network.loss(told).total == network.loss(same).total
    assert torch.isfinite(network.loss(told).total)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_two_ways_stay_two_where_the_mean_is_neither(beta: float) -> None:
    windows, inputs = two_ways()
    torch.manual_seed(0)
    both_ways(Gmm(GmmConfig(chunk_size=2, modes=3, hidden=(32,), beta=beta), inputs), windows, steps=150)
    l2_fails(windows)


@pytest.mark.parametrize(
    "wrong", [{"hidden": (0,)}, {"modes": 0}, {"least_std": 0.0}, {"temperature": -1.0}, {"beta": 1.1}]
)
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="gmm: "):
        GmmConfig(**wrong)  # type: ignore[arg-type]
