"""What a network takes from the demonstrations other than by gradient: before the first step, and at every save."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from il_robot.policies.catalogue import Network
from il_robot.policies.network import Batch, Prepared, Remembering
from il_robot.training.windows import Windows

PREPARED = 20_000
"""Most windows that a network is prepared with, evenly spaced."""
AT_ONCE = 256


def prepare(network: Network, windows: Windows) -> None:
    """Before training: centres, ranges and the like. Images are left out."""
    if isinstance(network, Prepared):
        device = next(network.parameters()).device
        network.prepare(_batches(windows, PREPARED, device, images=False))


def memorise(network: Network, windows: Windows) -> None:
    """Before weights are saved: the demonstrations that belong to them."""
    if isinstance(network, Remembering):
        device = next(network.parameters()).device
        network.memorise(_batches(windows, network.memory, device, images=True))


def _batches(windows: Windows, most: int, device: torch.device, *, images: bool) -> Iterator[Batch]:
    count = min(len(windows), most)
    which = np.linspace(0, len(windows) - 1, count).astype(np.int64)
    for first in range(0, count, AT_ONCE):
        yield windows.batch(which[first : first + AT_ONCE], images=images).to(device)
