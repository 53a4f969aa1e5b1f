"""Flow matching (Lipman et al. 2023, "Flow Matching for Generative Modeling") as a policy (pi0, Black et al. 2024).

Noise and action are joined by a straight line, and the network learns the mean velocity of all lines through a point:

    x_t = t a + (1 - t) e,   e ~ N(0, 1),   loss = |network(x_t, t, o) - (a - e)|^2

When driving, noise flows along it from t = 0 to 1 in n = ``sample_steps`` steps of Euler,
``x <- x + network(x, t, o) / n``. The early, noisy part decides which way to move, so while training t is drawn mostly
from there, ``t = 1 - u``, ``u ~ Beta(time_bias, 1)``: pi0's choice is 1.5 (appendix B); 1 is Lipman's, uniform.

The network is the diffusion policy's; padded steps are treated as there.
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
from il_robot.policies.network import Batch, Loss, held, valid_mean
from il_robot.policies.perceptron import ObservationVector
from il_robot.policies.sizes import check_sizes
from il_robot.policies.unet import UNet, UNetConfig


@dataclass(frozen=True)
class FlowConfig:
    chunk_size: int = 50
    sample_steps: int = 10
    """Runs of the network per chunk when driving."""
    time_bias: float = 1.5
    unet: UNetConfig = field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        check_sizes("flow", 0.0, chunk_size=self.chunk_size, sample_steps=self.sample_steps)
        if not 0 < self.time_bias < math.inf:
            raise BadInput(f"flow: time_bias {self.time_bias}; allowed: above 0")


class Flow(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    def __init__(self, config: FlowConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.chunk_shape = (config.chunk_size, len(inputs.joints))
        self.observation = ObservationVector(inputs, config.unet.vision, config.unet.image_width)
        self.unet = UNet(config.unet, len(inputs.joints), self.observation.size)

    def loss(self, batch: Batch) -> Loss:
        action = held(batch.action_BkJ, batch.pad_Bk)
        noise = torch.randn_like(action)
        # Beta(b, 1) has the distribution function u^b.
        time_B = 1 - torch.rand(len(action), device=action.device) ** (1 / self.config.time_bias)
        time = time_B.view(-1, 1, 1)
        seen_BX = self.observation(batch.state_BS, batch.images_BHWC)
        told = self.unet(time * action + (1 - time) * noise, time_B, seen_BX)
        mse = valid_mean((told - (action - noise)).square(), batch.pad_Bk, batch.absent_BJ)
        return Loss(mse, {"mse": mse})

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, each from noise of its own."""
        seen_BX = self.observation(state_BS, images_BHWC)
        steps = self.config.sample_steps
        x = gaussian((len(seen_BX), *self.chunk_shape), seen_BX.device, generator)
        for step in range(steps):
            time_B = seen_BX.new_full((len(seen_BX),), step / steps)
            x = x + self.unet(x, time_B, seen_BX) / steps
        return x
