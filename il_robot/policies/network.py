"""What every policy network has in common: the batch it learns from and the loss it returns.

A policy network is an ``nn.Module`` with ``loss(Batch) -> Loss`` and
``predict(state_BS, images_BHWC) -> (B, k, J)``, built from its frozen configuration and its inputs.

Shape legend: B batch, S state, k steps of a chunk, J joints, H W image, D width of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Windows, normalised: the state now and the actions from now on."""

    state_BS: Tensor
    images_BHWC: Mapping[str, Tensor]
    """camera name -> uint8; each network scales its own images."""
    action_BkJ: Tensor
    pad_Bk: Tensor
    """True where the window has no action (past the end of what may be imitated): never in the loss."""

    def to(self, device: torch.device) -> Batch:
        images = {name: image.to(device, non_blocking=True) for name, image in self.images_BHWC.items()}
        return Batch(self.state_BS.to(device), images, self.action_BkJ.to(device), self.pad_Bk.to(device))


@dataclass(frozen=True)
class Loss:
    """``total`` is minimised; ``parts`` are for the log."""

    total: Tensor
    parts: Mapping[str, Tensor]


def valid_l1(predicted_BkJ: Tensor, action_BkJ: Tensor, pad_Bk: Tensor) -> Tensor:
    """Mean absolute error over the steps that exist: per window over its own valid steps, then over windows.

    The original ACT divides by padded steps too, which weakens every window near an episode's end.
    A window without a valid step counts nothing.
    """
    valid_Bk = ~pad_Bk
    target_BkJ = action_BkJ.masked_fill(pad_Bk.unsqueeze(-1), 0.0)
    error_Bk = (predicted_BkJ - target_BkJ).abs().mean(-1) * valid_Bk
    count_B = valid_Bk.sum(-1)
    per_window_B = error_Bk.sum(-1) / count_B.clamp(min=1)
    return per_window_B.sum() / (count_B > 0).sum().clamp(min=1)
