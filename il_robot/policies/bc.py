"""Behaviour cloning with a multi-layer perceptron: the baseline, with or without action chunking.

``min_theta E |pi_theta(o_t) - a_{t:t+k}|_1`` over the demonstrations (Pomerleau 1989; chunk size 1), and with
chunk size k the "ConvMLP with chunks" row of the ACT paper (Zhao et al. 2023). Images go through a convolution
with spatial softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch, Loss, valid_l1
from il_robot.policies.sizes import check_sizes
from il_robot.policies.vision import CameraEncoder, VisionConfig


@dataclass(frozen=True)
class BcConfig:
    chunk_size: int = 50
    hidden: tuple[int, ...] = (512, 512)
    image_width: int = 64
    """Features per camera, or per cell of its feature map."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        hidden = {f"hidden[{number}]": size for number, size in enumerate(self.hidden)}
        check_sizes("bc", self.dropout, chunk_size=self.chunk_size, image_width=self.image_width, **hidden)


class Bc(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    def __init__(self, config: BcConfig, inputs: Inputs) -> None:
        super().__init__()
        self.chunk_size = config.chunk_size
        self.joints = len(inputs.joints)
        self.cameras = CameraEncoder(config.vision, inputs.cameras, config.image_width) if inputs.cameras else None
        layers: list[nn.Module] = []
        before = inputs.state_size + self._image_features(inputs)
        for hidden in config.hidden:
            layers += [nn.Linear(before, hidden), nn.GELU(), nn.Dropout(config.dropout)]
            before = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(before, config.chunk_size * self.joints))

    def _image_features(self, inputs: Inputs) -> int:
        if self.cameras is None:
            return 0
        black = {c.name: torch.zeros(1, *c.shape, dtype=torch.uint8) for c in inputs.cameras}
        with torch.no_grad():
            tokens_1ND: Tensor = self.cameras(black)[0]
        return tokens_1ND.numel()

    def predict(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, k, J) normalised action chunks."""
        features = [state_BS]
        if self.cameras is not None:
            tokens_BND, position_ND = self.cameras(images_BHWC)
            features.append((tokens_BND + position_ND).flatten(1))
        chunk: Tensor = self.layers(torch.cat(features, -1)).unflatten(-1, (self.chunk_size, self.joints))
        return chunk

    def loss(self, batch: Batch) -> Loss:
        l1 = valid_l1(self.predict(batch.state_BS, batch.images_BHWC), batch.action_BkJ, batch.pad_Bk, batch.absent_BJ)
        return Loss(l1, {"l1": l1})
