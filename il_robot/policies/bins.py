"""Bins: actions as words, in the style of RT-1 (Brohan et al. 2022, "RT-1: Robotics Transformer", section 5.1).

Each joint's target is one of 256 equal bins between the least and the largest that was demonstrated, and a causal
transformer over the observations' tokens is trained to name it, ``-log p(bin)`` (cross-entropy). Here the bins of a
chunk are named one after another, each knowing those before it:

    p(a_{t:t+k} | o) = prod_i prod_j p(b_ij | o, b_{<i}, b_{i,<j})

so that draws of several joints and steps belong together. Steps are tokens of the transformer; the joints of a step
add up, one by one, to the context in which the next is named. What was named is told on as a number, with noise while
training: told as symbols, 50 demonstrations are learned by heart, bin by bin, and the first bin that differs from all
of them leads nowhere (measured: cross-entropy 0.24, and yet 0.22 deviations of error at the first step already).

Differences from RT-1: no language and no token learner; chunks and the dependence between bins (RT-1 names the bins
of one step independently of each other); bins are drawn, not the most likely one taken (``temperature`` 0 does that).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.errors import BadInput
from il_robot.policies.choice import choose
from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.network import Batch, Loss, held, valid_mean
from il_robot.policies.sizes import check_sizes
from il_robot.policies.tokens import ObservationTokens
from il_robot.policies.transformer import EncoderLayer, xavier
from il_robot.policies.vision import VisionConfig

WIDEST = 4.0
"""Deviations that the bins reach to either side until the demonstrations are known."""


@dataclass(frozen=True)
class BinsConfig:
    chunk_size: int = 10
    bins: int = 256
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    layers: int = 2
    noise: float = 0.05
    """Of the told bins while training, as a share of the demonstrated range."""
    temperature: float = 1.0
    """Of the draw when driving: 1 as learned, 0 always the most likely bin."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes(
            "bins",
            self.dropout,
            chunk_size=self.chunk_size,
            bins=self.bins,
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            layers=self.layers,
        )
        if self.width % self.heads or self.width % 4:
            raise BadInput(f"bins: width {self.width} must be a multiple of 4 and of heads ({self.heads})")
        for what, number in (("temperature", self.temperature), ("noise", self.noise)):
            if not 0 <= number < math.inf:
                raise BadInput(f"bins: {what} {number}; allowed: 0 and more")


class Bins(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    low_J: Tensor
    high_J: Tensor

    def __init__(self, config: BinsConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.joints = len(inputs.joints)
        width = config.width
        self.tokens = ObservationTokens(inputs, config.vision, width)
        layer = (width, config.heads, config.feed_forward, config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.layers))
        xavier(self.layers)
        self.step = nn.Parameter(torch.randn(config.chunk_size, width) * 0.02)
        self.joint = nn.Parameter(torch.randn(self.joints, width) * 0.02)
        # What a named bin tells the steps after it, and the joints after it in its own step.
        self.to_steps = Linear(self.joints, width, bias=False) if config.chunk_size > 1 else None
        self.to_joints = nn.Parameter(torch.randn(self.joints, width))
        self.name = nn.Sequential(
            nn.LayerNorm(width), Linear(width, 2 * width), nn.GELU(), Linear(2 * width, config.bins)
        )
        self.register_buffer("low_J", torch.full((self.joints,), -WIDEST))
        self.register_buffer("high_J", torch.full((self.joints,), WIDEST))

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Lays the bins over the range of the demonstrated actions."""
        for number, batch in enumerate(batches):
            action_NJ = held(batch.action_BkJ, batch.pad_Bk).flatten(0, 1)
            low, high = action_NJ.amin(0), action_NJ.amax(0)
            self.low_J.copy_(low if number == 0 else torch.minimum(self.low_J, low))
            self.high_J.copy_(high if number == 0 else torch.maximum(self.high_J, high))
        # A joint that never moved: its one value lies in the middle of narrow bins.
        still = (self.high_J - self.low_J < 1e-3) * 0.5
        self.low_J.sub_(still)
        self.high_J.add_(still)

    def bin_of(self, action_BkJ: Tensor) -> Tensor:
        """(..., J) int64: the bin of each target; beyond the demonstrated range the outermost."""
        share = (action_BkJ - self.low_J) / (self.high_J - self.low_J)
        return (share * self.config.bins).long().clamp(0, self.config.bins - 1)

    def middle_of(self, bin_BkJ: Tensor) -> Tensor:
        """(..., J) the middles of bins."""
        return self.low_J + (bin_BkJ + 0.5) / self.config.bins * (self.high_J - self.low_J)

    def _told(self, bin_BiJ: Tensor) -> Tensor:
        """(B, i, J) what named bins are told on as: where in the range they lie, -1 to 1."""
        told_BiJ = (2 * bin_BiJ + 1) / self.config.bins - 1
        if self.training:
            told_BiJ = told_BiJ + 2 * self.config.noise * torch.randn_like(told_BiJ)
        return told_BiJ

    def _steps(self, tokens_BND: Tensor, told_BiJ: Tensor) -> Tensor:
        """(B, i + 1, D): what is known at each step, from the observation and what the i steps before told."""
        steps_BiD = self.step[: told_BiJ.shape[1] + 1].expand(len(tokens_BND), -1, -1)
        if self.to_steps is not None:
            steps_BiD = steps_BiD + F.pad(self.to_steps(told_BiJ), (0, 0, 1, 0))
        x = torch.cat([tokens_BND, steps_BiD], 1)
        nowhere = x.new_zeros(1, 1)
        for layer in self.layers:
            x = layer(x, nowhere, causal=True)
        return x[:, tokens_BND.shape[1] :]

    def _logits(self, step_BiD: Tensor, told_BiJ: Tensor) -> Tensor:
        """(B, i, J, bins): each joint's bins, knowing those of the joints before it in its step."""
        told_BiJD = told_BiJ.unsqueeze(-1) * self.to_joints
        context_BiJD = step_BiD.unsqueeze(2) + self.joint + told_BiJD.cumsum(2) - told_BiJD
        logits: Tensor = self.name(context_BiJD)
        return logits

    def loss(self, batch: Batch) -> Loss:
        tokens_BND = self.tokens(batch.state_BS, batch.images_BHWC)
        bin_BkJ = self.bin_of(held(batch.action_BkJ, batch.pad_Bk))
        told_BkJ = self._told(bin_BkJ)
        logits_BkJb = self._logits(self._steps(tokens_BND, told_BkJ[:, :-1]), told_BkJ)
        surprise_BkJ = F.cross_entropy(logits_BkJb.movedim(-1, 1), bin_BkJ, reduction="none")
        total = valid_mean(surprise_BkJ, batch.pad_Bk, batch.absent_BJ)
        return Loss(total, {"cross_entropy": total})

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, drawn bin by bin."""
        tokens_BND = self.tokens(state_BS, images_BHWC)
        bin_BiJ = tokens_BND.new_zeros(len(tokens_BND), 0, self.joints, dtype=torch.long)
        for _ in range(self.config.chunk_size):
            step_BD = self._steps(tokens_BND, self._told(bin_BiJ))[:, -1]
            bin_BiJ = torch.cat([bin_BiJ, self._name_joints(step_BD, generator).unsqueeze(1)], 1)
        return self.middle_of(bin_BiJ)

    def _name_joints(self, step_BD: Tensor, generator: torch.Generator | None) -> Tensor:
        """(B, J) the bins of one step, one joint after another."""
        named: list[Tensor] = []
        told_BD = step_BD
        for number in range(self.joints):
            named.append(choose(self.name(told_BD + self.joint[number]), self.config.temperature, generator))
            told_BD = told_BD + self._told(named[-1]).unsqueeze(-1) * self.to_joints[number]
        return torch.stack(named, 1)
