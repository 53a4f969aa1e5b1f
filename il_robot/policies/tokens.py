"""An observation as tokens for a transformer: one for each moment of the state, then those of the cameras.

Shape legend: B batch, h moments, S = h s numbers of the state, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.vision import CameraEncoder, VisionConfig


class ObservationTokens(nn.Module):
    """(B, S) and images -> (B, N, D), their places in the history and in the image added."""

    def __init__(self, inputs: Inputs, vision: VisionConfig, width: int) -> None:
        super().__init__()
        self.shape = (inputs.history, inputs.moment_size)
        self.state = Linear(inputs.moment_size, width)
        self.moment = nn.Parameter(torch.randn(inputs.history, width) * 0.02)
        self.cameras = CameraEncoder(vision, inputs.cameras, width) if inputs.cameras else None

    def forward(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        tokens: Tensor = self.state(state_BS.unflatten(1, self.shape)) + self.moment
        if self.cameras is None:
            return tokens
        seen_BND, place_ND = self.cameras(images_BHWC)
        return torch.cat([tokens, seen_BND + place_ND], 1)
