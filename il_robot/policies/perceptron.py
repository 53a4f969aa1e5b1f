"""An observation as one vector, and the multi-layer perceptron that reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.vision import CameraEncoder, VisionConfig


class ObservationVector(nn.Module):
    """(B, S) and images -> (B, ``size``): the state, then the features of every camera."""

    def __init__(self, inputs: Inputs, vision: VisionConfig, image_width: int) -> None:
        """``image_width``: features per camera frame, or per cell of its feature map."""
        super().__init__()
        self.cameras = CameraEncoder(vision, inputs.cameras, image_width) if inputs.cameras else None
        self.size = inputs.state_size + self._image_features(inputs)

    def _image_features(self, inputs: Inputs) -> int:
        if self.cameras is None:
            return 0
        black = {c.name: torch.zeros(1, *c.shape, dtype=torch.uint8) for c in inputs.cameras}
        with torch.no_grad():
            tokens_1ND: Tensor = self.cameras(black)[0]
        return tokens_1ND.numel()

    def forward(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        if self.cameras is None:
            return state_BS
        tokens_BND, position_ND = self.cameras(images_BHWC)
        return torch.cat([state_BS, (tokens_BND + position_ND).flatten(1)], -1)


def perceptron(before: int, hidden: Sequence[int], after: int, dropout: float = 0.0) -> nn.Sequential:
    """(..., before) -> (..., after) through ``hidden`` layers of GELU units."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [Linear(before, width), nn.GELU(), nn.Dropout(dropout)]
        before = width
    return nn.Sequential(*layers, Linear(before, after))
