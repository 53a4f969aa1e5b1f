from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.policies.network import valid_l1


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
