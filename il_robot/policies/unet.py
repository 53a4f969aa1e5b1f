"""A U-Net over time (Ronneberger et al. 2015; 1-D, as in Janner et al. 2022 and Chi et al. 2023) whose every block is
told what is seen and how much noise there is by FiLM (Perez et al. 2018): ``x <- scale(c) x + shift(c)`` per channel.

Shape legend: B batch, L steps in time, J joints, C channels, X condition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.policies.linear import Linear
from il_robot.policies.sizes import check_sizes
from il_robot.policies.vision import VisionConfig

MOST_LEVELS = 20
"""More would halve the longest chunk to nothing."""


@dataclass(frozen=True)
class UNetConfig:
    """Of the network that denoises a chunk; the defaults are for two CPU cores."""

    channels: tuple[int, ...] = (64, 128)
    """One level each; every level but the first sees half as many steps as the one above."""
    kernel: int = 5
    groups: int = 8
    time_width: int = 64
    """Of the embedding of the noise level."""
    image_width: int = 64
    """Features per camera, or per cell of its feature map."""
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        sizes = {f"channels[{number}]": size for number, size in enumerate(self.channels)}
        sizes |= {"kernel": self.kernel, "groups": self.groups, "image_width": self.image_width}
        check_sizes("unet", 0.0, **sizes, time_width=self.time_width)
        if not 1 <= len(self.channels) <= MOST_LEVELS:
            raise BadInput(f"unet: {counted(len(self.channels), 'level')} of channels; allowed: 1 to {MOST_LEVELS}")
        if any(count % self.groups for count in self.channels):
            raise BadInput(f"unet: channels {self.channels}; allowed: multiples of groups ({self.groups})")
        if self.kernel % 2 == 0 or self.time_width % 2:
            raise BadInput(f"unet: kernel {self.kernel} must be odd and time_width {self.time_width} even")


class TimeEmbedding(nn.Module):
    """(B,) noise levels in [0, 1] -> (B, width): sines of many frequencies, and a perceptron on them."""

    frequency: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        # A level is counted in thousandths, which a position in a sentence is in Vaswani et al. 2017.
        exponent = torch.linspace(0, 1, width // 2)
        self.register_buffer("frequency", 1000 * torch.exp(-math.log(10_000.0) * exponent), persistent=False)
        self.layers = nn.Sequential(Linear(width, 4 * width), nn.SiLU(), Linear(4 * width, width))

    def forward(self, level_B: Tensor) -> Tensor:
        angle = level_B.unsqueeze(-1) * self.frequency
        result: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], -1))
        return result


class ConvBlock(nn.Sequential):
    def __init__(self, before: int, after: int, config: UNetConfig) -> None:
        kernel = config.kernel
        super().__init__(
            nn.Conv1d(before, after, kernel, padding=kernel // 2), nn.GroupNorm(config.groups, after), nn.SiLU()
        )


class FilmBlock(nn.Module):
    """Two convolutions and a way around them; the condition scales and shifts what is between them."""

    def __init__(self, before: int, after: int, condition: int, config: UNetConfig) -> None:
        super().__init__()
        self.first = ConvBlock(before, after, config)
        self.second = ConvBlock(after, after, config)
        self.film = Linear(condition, 2 * after)
        self.around = nn.Identity() if before == after else nn.Conv1d(before, after, 1)

    def forward(self, x_BCL: Tensor, condition_BX: Tensor) -> Tensor:
        scale, shift = self.film(condition_BX).unsqueeze(-1).chunk(2, 1)
        inner = self.second(self.first(x_BCL) * (1 + scale) + shift)
        result: Tensor = inner + self.around(x_BCL)
        return result


class Level(nn.Module):
    """One level: down to half the steps, all that lies below, up again, beside what was there."""

    def __init__(self, channels: tuple[int, ...], condition: int, config: UNetConfig) -> None:
        super().__init__()
        here, below = channels[:2]
        self.down = nn.Conv1d(here, below, 3, 2, 1)
        self.before = FilmBlock(below, below, condition, config)
        self.inner = Level(channels[1:], condition, config) if len(channels) > 2 else None
        self.after = FilmBlock(below, below, condition, config)
        self.up = nn.ConvTranspose1d(below, here, 4, 2, 1)
        self.join = FilmBlock(2 * here, here, condition, config)

    def forward(self, x_BCL: Tensor, condition_BX: Tensor) -> Tensor:
        y = self.before(self.down(x_BCL), condition_BX)
        if self.inner is not None:
            y = self.inner(y, condition_BX)
        # Of an odd number of steps, half is rounded up: what came back too long is cut.
        y = self.up(self.after(y, condition_BX))[..., : x_BCL.shape[-1]]
        result: Tensor = self.join(torch.cat([x_BCL, y], 1), condition_BX)
        return result


class UNet(nn.Module):
    """(B, L, J) noisy chunks of any length, (B,) noise levels in [0, 1], (B, X) what is seen -> (B, L, J)."""

    def __init__(self, config: UNetConfig, joints: int, seen: int) -> None:
        super().__init__()
        top = config.channels[0]
        condition = seen + config.time_width
        self.time = TimeEmbedding(config.time_width)
        self.enter = FilmBlock(joints, top, condition, config)
        self.levels = Level(config.channels, condition, config) if len(config.channels) > 1 else None
        self.leave = nn.Sequential(ConvBlock(top, top, config), nn.Conv1d(top, joints, 1))

    def forward(self, noisy_BLJ: Tensor, level_B: Tensor, seen_BX: Tensor) -> Tensor:
        condition_BX = torch.cat([self.time(level_B), seen_BX], -1)
        x_BCL = self.enter(noisy_BLJ.transpose(1, 2), condition_BX)
        if self.levels is not None:
            x_BCL = self.levels(x_BCL, condition_BX)
        result: Tensor = self.leave(x_BCL).transpose(1, 2)
        return result
