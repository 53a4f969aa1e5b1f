from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.policies.network import kl_from_standard_normal, valid_l1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 1000))
def test_loss_is_the_mean_over_valid_steps_of_each_window(valid: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    predicted, action = random.normal(size=(2, len(valid), 5, 3))
    pad = np.arange(5)[None] >= np.array(valid)[:, None]
    windows = [np.abs(predicted[b, :n] - action[b, :n]).mean() for b, n in enumerate(valid) if n]
    expected = np.mean(windows) if windows else 0.0
    loss = valid_l1(torch.from_numpy(predicted), torch.from_numpy(action), torch.from_numpy(pad))
    assert np.isclose(float(loss), expected)


def test_a_small_divergence_is_no_rounding_in_bfloat16() -> None:
    log_variance = torch.tensor([[0.01, -0.02, 0.003]], dtype=torch.bfloat16, requires_grad=True)
    mean = torch.tensor([[0.01, 0.0, -0.02]], dtype=torch.bfloat16)
    told = kl_from_standard_normal(mean, log_variance)
    told.backward()
    x, m = log_variance.detach().double(), mean.double()
    assert np.isclose(float(told.detach()), float(0.5 * (m**2 + x.exp() - 1 - x).sum()), rtol=1e-3)
    assert log_variance.grad is not None
    assert np.allclose(log_variance.grad.double(), 0.5 * (x.exp() - 1), rtol=0.01, atol=0)
