"""ACT written down a second time, in numpy and from the paper, against the network with the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from policy_contract import STATE_ONLY, random_batch

from il_robot.control.ensemble import Ensemble
from il_robot.policies.act import Act, ActConfig
from il_robot.types import ActionChunk

Array = NDArray[np.float64]
WIDTH, HEADS, CHUNK, LATENT = 8, 2, 5, 3
CONFIG = ActConfig(CHUNK, WIDTH, HEADS, 16, encoder_layers=2, decoder_layers=2, style_layers=2, latent=LATENT)


class Weights:
    """The network's weights by name."""

    def __init__(self, network: Act) -> None:
        self.named = {name: value.double().numpy() for name, value in network.state_dict().items()}

    def linear(self, name: str, x: Array) -> Array:
        return x @ self.named[f"{name}.weight"].T + self.named[f"{name}.bias"]

    def norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * self.named[f"{name}.weight"] + self.named[f"{name}.bias"]

    def attention(self, name: str, query: Array, key: Array, value: Array, hidden: NDArray[np.bool_]) -> Array:
        """softmax(q k^T / sqrt(d)) v, head by head; ``hidden`` keys are not read."""
        q, k, v = (self.linear(f"{name}.{p}", x) for p, x in (("query", query), ("key", key), ("value", value)))
        size, heads = WIDTH // HEADS, []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            score = q[:, part] @ k[:, part].T / np.sqrt(size)
            score[:, hidden] = -np.inf
            share = np.exp(score - score.max(-1, keepdims=True))
            heads.append(share / share.sum(-1, keepdims=True) @ v[:, part])
        return self.linear(f"{name}.output", np.concatenate(heads, -1))

    def feed_forward(self, name: str, x: Array) -> Array:
        return self.linear(f"{name}.feed_forward.3", np.maximum(self.linear(f"{name}.feed_forward.0", x), 0))

    def encode(self, name: str, x: Array, position: Array, hidden: NDArray[np.bool_]) -> Array:
        placed = x + position
        x = self.norm(f"{name}.norm_1", x + self.attention(f"{name}.attention", placed, placed, x, hidden))
        return self.norm(f"{name}.norm_2", x + self.feed_forward(name, x))

    def decode(self, name: str, x: Array, query: Array, memory: Array, position: Array) -> Array:
        none, placed = np.zeros(len(x), bool), x + query
        x = self.norm(f"{name}.norm_1", x + self.attention(f"{name}.self_attention", placed, placed, x, none))
        none = np.zeros(len(memory), bool)
        cross = self.attention(f"{name}.cross_attention", x + query, memory + position, memory, none)
        x = self.norm(f"{name}.norm_2", x + cross)
        return self.norm(f"{name}.norm_3", x + self.feed_forward(name, x))


def sinusoid(length: int) -> Array:
    rows = [
        [f(t / 10_000 ** (2 * i / WIDTH)) for i in range(WIDTH // 2) for f in (np.sin, np.cos)] for t in range(length)
    ]
    return np.array(rows)


def style(weights: Weights, state: Array, action: Array, pad: NDArray[np.bool_]) -> tuple[Array, Array]:
    """q(z | a, state): mean and log-variance."""
    tokens = np.concatenate(
        [
            weights.named["style.cls"][0],
            weights.linear("style.state", state)[None],
            weights.linear("style.action", np.where(pad[:, None], 0.0, action)),
        ]
    )
    hidden = np.concatenate([[False, False], pad])
    for layer in range(2):
        tokens = weights.encode(f"style.layers.{layer}", tokens, sinusoid(CHUNK + 2), hidden)
    told = weights.linear("style.head", tokens[0])
    return told[:LATENT], told[LATENT:]


def act(weights: Weights, state: Array, z: Array) -> Array:
    """pi(a | o, z)."""
    memory = np.stack([weights.linear("latent_token", z), weights.linear("state_token", state)])
    position = weights.named["token_position"]
    for layer in range(2):
        memory = weights.encode(f"encoder.{layer}", memory, position, np.zeros(2, bool))
    chunk, query = np.zeros((CHUNK, WIDTH)), weights.named["query"]
    for layer in range(2):
        chunk = weights.decode(f"decoder.{layer}", chunk, query, memory, position)
    return weights.linear("head", weights.norm("norm", chunk))


def test_prediction_and_loss_agree_with_the_paper() -> None:
    torch.manual_seed(0)
    network, batch = Act(CONFIG, STATE_ONLY), random_batch(STATE_ONLY, 4, CHUNK)
    weights = Weights(network)
    state, action = batch.state_BS.double().numpy(), batch.action_BkJ.double().numpy()
    pad = batch.pad_Bk.numpy()

    expected = np.stack([act(weights, one, np.zeros(LATENT)) for one in state])
    np.testing.assert_allclose(network.predict(batch.state_BS, {}).detach(), expected, atol=1e-4)

    torch.manual_seed(1)
    noise = torch.randn(4, LATENT).double().numpy()
    l1, kl = [], []
    for number in range(4):
        mean, log_variance = style(weights, state[number], action[number], pad[number])
        z = mean + noise[number] * np.exp(log_variance / 2)
        error = np.abs(act(weights, state[number], z) - action[number])
        l1.append(error[~pad[number]].mean())
        kl.append(-0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance)))
    torch.manual_seed(1)
    loss = network.loss(batch)
    assert float(loss.parts["l1"].detach()) == pytest.approx(np.mean(l1), abs=1e-4)
    assert float(loss.parts["kl"].detach()) == pytest.approx(np.mean(kl), abs=1e-4)
    assert float(loss.total.detach()) == pytest.approx(np.mean(l1) + 10 * np.mean(kl), abs=1e-3)


def test_the_divergence_pulls_the_style_to_the_prior() -> None:
    """Of windows without a valid step the loss is the divergence alone, whose gradient by the mean is the mean."""
    torch.manual_seed(0)
    network, batch = Act(CONFIG, STATE_ONLY), random_batch(STATE_ONLY, 4, CHUNK)
    nothing = replace(batch, pad_Bk=torch.ones_like(batch.pad_Bk))
    network.loss(nothing).total.backward()
    assert network.style is not None and network.style.head.bias.grad is not None
    mean, _ = network.style(nothing.state_BS, nothing.action_BkJ, nothing.pad_Bk)
    torch.testing.assert_close(network.style.head.bias.grad[:LATENT], 10 * mean.detach().mean(0))


@pytest.mark.parametrize("m", [0.01, 0.1, -0.1])
def test_ensembling_agrees_with_the_authors_table_of_all_predictions(m: float) -> None:
    """(T, T + k, J) predictions, as the authors keep them; the mean down a column, the oldest row weighing most."""
    steps, k = 12, 4
    random = np.random.default_rng(0)
    table, known = np.zeros((steps, steps + k, 2)), np.zeros((steps, steps + k), bool)
    ensemble = Ensemble(2, k, m)
    for t in range(steps):
        chunk = random.normal(size=(k, 2)).astype(np.float32)
        table[t, t : t + k], known[t, t : t + k] = chunk, True
        ensemble.add(ActionChunk(chunk, t * 10, 10))
        column = table[known[:, t], t]
        weight = np.exp(-m * np.arange(len(column)))
        np.testing.assert_allclose(ensemble.at(t * 10), weight @ column / weight.sum(), atol=1e-5)
