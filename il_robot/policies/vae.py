"""VAE: a conditional variational auto-encoder of action chunks (Sohn et al. 2015, "Learning Structured Output
Representation using Deep Conditional Generative Models"), of perceptrons instead of ACT's transformers.

While training, the latent is inferred from what the demonstrator did, ``q(z | o, a) = N(mean, diag(variance))``, and
the chunk is written from it, ``pi(o, z)``. The negative evidence bound, with a Laplace likelihood:

    loss = |pi(o, z) - a|_1 + kl_weight KL(q(z | o, a) || N(0, 1)),   z = mean + sqrt(variance) * noise

When driving, z is drawn from the prior N(0, spread^2), so that two ways of doing a thing stay two ways; with
``spread`` 0 it is the prior's mean, as in ACT. The smaller ``kl_weight``, the more of the action z may tell, and the
less a z drawn from the prior looks like one that was inferred.

Padded steps are shown to q as zeros with a flag, and never enter the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.errors import BadInput
from il_robot.policies.choice import gaussian
from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch, Loss, kl_from_standard_normal, valid_l1
from il_robot.policies.perceptron import ObservationVector, perceptron
from il_robot.policies.sizes import check_hidden, check_sizes
from il_robot.policies.vision import VisionConfig


@dataclass(frozen=True)
class VaeConfig:
    chunk_size: int = 50
    hidden: tuple[int, ...] = (512, 512)
    """Of the encoder and of the decoder."""
    latent: int = 8
    kl_weight: float = 0.01
    spread: float = 1.0
    """Standard deviation of the latent when driving."""
    image_width: int = 64
    """Features per camera, or per cell of its feature map."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        sizes = {"chunk_size": self.chunk_size, "latent": self.latent, "image_width": self.image_width}
        check_sizes("vae", self.dropout, **sizes)
        check_hidden("vae", self.hidden)
        if not (0 <= self.kl_weight < math.inf and 0 <= self.spread < math.inf):
            raise BadInput(f"vae: kl_weight {self.kl_weight}, spread {self.spread}; allowed: 0 and more")


class Vae(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    def __init__(self, config: VaeConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.chunk_shape = (config.chunk_size, len(inputs.joints))
        self.observation = ObservationVector(inputs, config.vision, config.image_width)
        seen, numbers = self.observation.size, config.chunk_size * len(inputs.joints)
        self.encoder = perceptron(seen + numbers + config.chunk_size, config.hidden, 2 * config.latent, config.dropout)
        self.decoder = perceptron(seen + config.latent, config.hidden, numbers, config.dropout)

    def _decode(self, seen_BX: Tensor, z_BL: Tensor) -> Tensor:
        chunk: Tensor = self.decoder(torch.cat([seen_BX, z_BL], -1)).unflatten(-1, self.chunk_shape)
        return chunk

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, each from a latent of its own."""
        seen_BX = self.observation(state_BS, images_BHWC)
        shape = (len(seen_BX), self.config.latent)
        z_BL = self.config.spread * gaussian(shape, seen_BX.device, generator)
        return self._decode(seen_BX, z_BL)

    def loss(self, batch: Batch) -> Loss:
        seen_BX = self.observation(batch.state_BS, batch.images_BHWC)
        action_BkJ = batch.action_BkJ.masked_fill(batch.pad_Bk.unsqueeze(-1), 0.0)
        told = torch.cat([seen_BX, action_BkJ.flatten(1), batch.pad_Bk.to(seen_BX.dtype)], -1)
        mean_BL, log_variance_BL = self.encoder(told).chunk(2, -1)
        z_BL = mean_BL + torch.randn_like(mean_BL) * (0.5 * log_variance_BL).exp()
        l1 = valid_l1(self._decode(seen_BX, z_BL), batch.action_BkJ, batch.pad_Bk, batch.absent_BJ)
        kl = kl_from_standard_normal(mean_BL, log_variance_BL)
        return Loss(l1 + self.config.kl_weight * kl, {"l1": l1, "kl": kl})
