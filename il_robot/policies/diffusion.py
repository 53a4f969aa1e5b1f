"""Diffusion policy (Chi et al. 2023, "Diffusion Policy: Visuomotor Policy Learning via Action Diffusion").

Training is DDPM's (Ho et al. 2020): a chunk is spoilt to a random degree t of T and the network says how,

    x_t = sqrt(A_t) a + sqrt(1 - A_t) e,   e ~ N(0, 1),   loss = |network(x_t, t, o) - target|^2,

with the squared-cosine schedule ``A_t = prod (1 - b_s)`` of Nichol and Dhariwal 2021 (equation 17). ``target`` is the
noise e, as in the paper, or the velocity ``v = sqrt(A_t) e - sqrt(1 - A_t) a`` of Salimans and Ho 2022, from which the
action follows as well where hardly any of it is left. From e it does not: the first sampled step divides by
sqrt(A_T) = 0.0005, and only clipping the action tames it. The authors clip to [-1, 1], the range of their actions;
ours have mean 0 and deviation 1, their range is known less well, and sampling by e went astray.

When driving, noise becomes an action by DDIM (Song et al. 2021, equation 12) in few of the T steps:

    x_s = sqrt(A_s) a' + sqrt(1 - A_s - d^2) e' + d n,   d = eta sqrt((1 - A_s) / (1 - A_t)) sqrt(1 - A_t / A_s)

where a', e' are what the network takes for action and noise, and n is fresh. ``eta`` 0 adds none; ``eta`` 1 with
``sample_steps`` = ``train_steps`` is DDPM's own sampler.

Padded steps repeat the last action, so that what surrounds a valid step is a possible chunk; they never enter the
loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
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
class DiffusionConfig:
    chunk_size: int = 50
    train_steps: int = 100
    """T, degrees of noise."""
    sample_steps: int = 10
    """Runs of the network per chunk when driving."""
    target: Literal["noise", "velocity"] = "velocity"
    eta: float = 0.0
    """Share of DDPM's noise that is added while sampling; 0 to 1."""
    clip: float = 6.0
    """Largest action that is believed while sampling, in deviations."""
    unet: UNetConfig = field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        sizes = {"chunk_size": self.chunk_size, "train_steps": self.train_steps, "sample_steps": self.sample_steps}
        check_sizes("diffusion", 0.0, **sizes)
        if self.sample_steps > self.train_steps:
            raise BadInput(f"diffusion: sample_steps {self.sample_steps}; allowed: 1 to train_steps {self.train_steps}")
        if not (0 <= self.eta <= 1 and 0 < self.clip < math.inf):
            raise BadInput(f"diffusion: eta {self.eta}, clip {self.clip}; allowed: 0 to 1, above 0")


def kept_signal(steps: int) -> Tensor:
    """(steps,) A_t: the share of a chunk's variance that is left after t + 1 steps of noise; falls from 1 towards 0."""
    time = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    smooth = torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    noise = (1 - smooth[1:] / smooth[:-1]).clamp(max=0.999)
    return torch.cumprod(1 - noise, 0).float()


class Diffusion(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    kept_T: Tensor

    def __init__(self, config: DiffusionConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.chunk_shape = (config.chunk_size, len(inputs.joints))
        self.observation = ObservationVector(inputs, config.unet.vision, config.unet.image_width)
        self.unet = UNet(config.unet, len(inputs.joints), self.observation.size)
        self.register_buffer("kept_T", kept_signal(config.train_steps), persistent=False)
        # Not by torch: a network is built without memory, too, and such tensors have no values.
        steps = np.linspace(config.train_steps - 1, 0, config.sample_steps)
        self._sampled = [round(float(step)) for step in steps]

    def loss(self, batch: Batch) -> Loss:
        action = held(batch.action_BkJ, batch.pad_Bk)
        step_B = torch.randint(self.config.train_steps, (len(action),), device=action.device)
        noise = torch.randn_like(action)
        signal, spoilt = (part.view(-1, 1, 1) for part in _shares(self.kept_T[step_B]))
        target = noise if self.config.target == "noise" else signal * noise - spoilt * action
        seen_BX = self.observation(batch.state_BS, batch.images_BHWC)
        told = self.unet(signal * action + spoilt * noise, step_B / self.config.train_steps, seen_BX)
        mse = valid_mean((told - target).square(), batch.pad_Bk, batch.absent_BJ)
        return Loss(mse, {"mse": mse})

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, each from noise of its own."""
        seen_BX = self.observation(state_BS, images_BHWC)
        shape = (len(seen_BX), *self.chunk_shape)
        x = gaussian(shape, seen_BX.device, generator)
        for step, following in zip(self._sampled, [*self._sampled[1:], None], strict=True):
            level_B = seen_BX.new_full((len(seen_BX),), step / self.config.train_steps)
            kept = self.kept_T[step]
            kept_then = torch.ones_like(kept) if following is None else self.kept_T[following]
            action, noise = self._split(x, self.unet(x, level_B, seen_BX), kept)
            fresh = self.config.eta * torch.sqrt((1 - kept_then) / (1 - kept) * (1 - kept / kept_then))
            x = kept_then.sqrt() * action + (1 - kept_then - fresh**2).clamp(min=0).sqrt() * noise
            if self.config.eta and following is not None:
                x = x + fresh * gaussian(shape, x.device, generator)
        return x

    def _split(self, x_BkJ: Tensor, told_BkJ: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """What the network takes for the action and for the noise in ``x``; the first clipped, the second to fit."""
        signal, spoilt = _shares(kept)
        if self.config.target == "noise":
            action = (x_BkJ - spoilt * told_BkJ) / signal
        else:
            action = signal * x_BkJ - spoilt * told_BkJ
        action = action.clamp(-self.config.clip, self.config.clip)
        return action, (x_BkJ - signal * action) / spoilt


def _shares(kept: Tensor) -> tuple[Tensor, Tensor]:
    return kept.sqrt(), (1 - kept).sqrt()
