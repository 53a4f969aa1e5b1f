from __future__ import annotations

import pytest
import torch
from policy_contract import ONE_CAMERA, STATE_ONLY, PolicyContract, random_batch
from torch import nn

from il_robot.errors import BadInput
from il_robot.policies.act import Act, ActConfig
from il_robot.policies.network import kl_from_standard_normal
from il_robot.policies.transformer import Attention, DecoderLayer, EncoderLayer
from il_robot.policies.vision import VisionConfig

SMALL = {"width": 32, "heads": 4, "feed_forward": 64, "encoder_layers": 1, "style_layers": 1, "latent": 4}


class TestAct(PolicyContract):
    def config(self, chunk_size: int) -> ActConfig:
        return ActConfig(chunk_size=chunk_size, **SMALL, vision=VisionConfig(channels=(8, 8, 8), keypoints=8))


class TestActWithoutStyle(PolicyContract):
    def config(self, chunk_size: int) -> ActConfig:
        without = SMALL | {"style_layers": 0}
        return ActConfig(chunk_size=chunk_size, **without, vision=VisionConfig(channels=(8, 8, 8), keypoints=8))


class TestActOnFeatureMaps(PolicyContract):
    def config(self, chunk_size: int) -> ActConfig:
        vision = VisionConfig(channels=(8, 8), keypoints=0, shared=True)
        return ActConfig(chunk_size=chunk_size, **(SMALL | {"decoder_layers": 2}), vision=vision)


def test_kl_agrees_with_torch() -> None:
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    style = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(style, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(kl_from_standard_normal(mean, log_variance), expected)


def test_attention_agrees_with_torch() -> None:
    ours, theirs = Attention(16, 4, 0.0), nn.MultiheadAttention(16, 4, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([part.weight.data for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias.data for part in parts])
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    pad = torch.zeros(2, 5, dtype=torch.bool)
    pad[1, 3:] = True
    expected, _ = theirs(query, key, value, key_padding_mask=pad)
    torch.testing.assert_close(ours(query, key, value, pad), expected, atol=1e-6, rtol=1e-5)


def test_one_query_batch_serves_all_samples() -> None:
    layer = DecoderLayer(16, 4, 32, 0.0)
    target, query, memory, position = (
        torch.randn(1, 7, 16),
        torch.randn(7, 16),
        torch.randn(3, 4, 16),
        torch.randn(4, 16),
    )
    once = layer(target, query, memory, position)
    each = layer(target.expand(3, -1, -1), query, memory, position)
    torch.testing.assert_close(once, each, atol=1e-6, rtol=1e-5)


def test_only_computes_the_same_first_tokens() -> None:
    layer = EncoderLayer(16, 4, 32, 0.0)
    tokens, position = torch.randn(2, 5, 16), torch.randn(5, 16)
    torch.testing.assert_close(layer(tokens, position, only=1), layer(tokens, position)[:, :1], atol=1e-6, rtol=1e-5)


def test_style_carries_what_the_observation_does_not() -> None:
    """Two demonstrations, one observation, opposite actions: with its style a sample is reconstructed."""
    torch.manual_seed(0)
    config = ActConfig(chunk_size=4, **(SMALL | {"kl_weight": 0.001}))
    network = Act(config, STATE_ONLY)
    batch = random_batch(STATE_ONLY, 2, 4)
    state, action = batch.state_BS[:1].expand(2, -1), torch.stack([torch.ones(4, 3), -torch.ones(4, 3)])
    two_ways = type(batch)(state, {}, action, torch.zeros(2, 4, dtype=torch.bool))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        loss = network.loss(two_ways)
        loss.total.backward()
        optimiser.step()
    assert float(loss.parts["l1"].detach()) < 0.3


def test_prediction_needs_no_randomness() -> None:
    network = Act(ActConfig(chunk_size=4, **SMALL), ONE_CAMERA).eval()
    batch = random_batch(ONE_CAMERA, 2, 4)
    first, second = (network.predict(batch.state_BS, batch.images_BHWC) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("wrong", [{"width": 30}, {"heads": 5}, {"decoder_layers": 0}])
def test_impossible_configurations_are_one_line(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="act: "):
        Act(ActConfig(**(SMALL | wrong)), STATE_ONLY)
