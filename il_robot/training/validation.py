"""How well a network predicts what a human did, in episodes that it never learned from."""

from __future__ import annotations

import numpy as np
import torch

from il_robot.policies.catalogue import Network
from il_robot.policies.network import valid_l1
from il_robot.training.windows import Windows

MOST = 512
"""Windows, evenly spaced: the same each time."""


def validation_loss(network: Network, windows: Windows, batch: int, device: torch.device) -> float:
    """Mean absolute error of a network's predictions, normalised; ``batch`` of them or somewhat more at once."""
    which = np.linspace(0, len(windows) - 1, min(len(windows), MOST)).astype(np.int64)
    total = 0.0
    with torch.inference_mode():
        for part in np.array_split(which, max(1, len(which) // batch)):
            seen = windows.batch(part).to(device)
            predicted = network.predict(seen.state_BS, seen.images_BHWC)
            total += float(valid_l1(predicted, seen.action_BkJ, seen.pad_Bk, seen.absent_BJ)) * len(part)
    return total / len(which)
