"""Behaviour cloning with a multi-layer perceptron: the baseline, with or without action chunking.

``min_theta E |pi_theta(o_t) - a_{t:t+k}|_1`` over the demonstrations (Pomerleau 1989; chunk size 1), and with
chunk size k the "ConvMLP with chunks" row of the ACT paper (Zhao et al. 2023). Images go through a convolution
with spatial softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch, Loss, valid_l1
from il_robot.policies.perceptron import ObservationVector, perceptron
from il_robot.policies.sizes import check_hidden, check_sizes
from il_robot.policies.vision import VisionConfig


@dataclass(frozen=True)
class BcConfig:
    chunk_size: int = 50
    hidden: tuple[int, ...] = (512, 512)
    image_width: int = 64
    """Features per camera, or per cell of its feature map."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes("bc", self.dropout, chunk_size=self.chunk_size, image_width=self.image_width)
        check_hidden("bc", self.hidden)


class Bc(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    def __init__(self, config: BcConfig, inputs: Inputs) -> None:
        super().__init__()
        self.chunk_shape = (config.chunk_size, len(inputs.joints))
        self.observation = ObservationVector(inputs, config.vision, config.image_width)
        numbers = config.chunk_size * len(inputs.joints)
        self.layers = perceptron(self.observation.size, config.hidden, numbers, config.dropout)

    def predict(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, k, J) normalised action chunks."""
        chunk: Tensor = self.layers(self.observation(state_BS, images_BHWC)).unflatten(-1, self.chunk_shape)
        return chunk

    def loss(self, batch: Batch) -> Loss:
        l1 = valid_l1(self.predict(batch.state_BS, batch.images_BHWC), batch.action_BkJ, batch.pad_Bk, batch.absent_BJ)
        return Loss(l1, {"l1": l1})
