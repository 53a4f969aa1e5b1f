"""Bins: actions as words, in the style of RT-1 (Brohan et al. 2022, "RT-1: Robotics Transformer", section 5.1).

Each joint's target is one of equal bins between the least and the largest that was demonstrated, and a causal
transformer over the observations' tokens is trained to name it. A chunk is named at every few of its steps; these
key steps t_1 < t_2 < .. are tokens, each told what was named before it, and lines lead from one to the next:

    p(a_{t:t+k} | o) = prod_i p(b_i | o, b_{<i}),    p(b_i | o, b_{<i}) = prod_j p(b_ij | o, b_{<i})

so that draws at several steps belong together, while the joints of a step are named independently of each other, as
RT-1's are. The loss knows which bins are neighbours: instead of one bin a small Gaussian around the target is named
("histogram loss", Imani & White 2018, "Improving Regression Performance with Distributional Losses", section 3),

    L = - sum_b q_b log p(b),    q_b ~ exp(-(b - a)^2 / 2 spread^2),    a and b counted in bins,

and the action is the mean of p within ``3 spread`` of the drawn bin: of the mode that was drawn, never of two.

Differences from RT-1: no language and no token learner; chunks, key steps and the dependence between them; soft
targets and the mean near a drawn bin, where RT-1 has one right bin and takes the middle of the most likely
(``spread`` and ``temperature`` 0).

The joints of a step are not told of each other on purpose. Taught with each other's bins, they read those and not
the observation, and when driving the first one named misleads all others: an error of 0.62 deviations at the first
step, against 0.12 independently (50 demonstrations, 500 steps of training, on others). With a spread of 0, 1, 2 and 4
bins the error over the whole chunk was 0.18, 0.14, 0.13 and 0.12. What was named before is told as a number, with
noise while training, so that an error of one bin is nothing never seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
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
REACH = 3.0
"""Spreads from the target, or from the drawn bin, beyond which a bin does not count as its neighbour."""


@dataclass(frozen=True)
class BinsConfig:
    chunk_size: int = 50
    every: int = 10
    """Steps of a chunk from one that is named to the next."""
    bins: int = 128
    spread: float = 3.0
    """Deviation of the Gaussian around a target, in bins; 0 as in RT-1: one bin is right, its neighbours are wrong."""
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    layers: int = 2
    noise: float = 0.05
    """Of the told bins while training, as a share of the demonstrated range."""
    temperature: float = 0.3
    """Of the draw when driving: 1 as learned, 0 always the most likely bin. Below 1 equal modes stay equal, and the
    little that is given to wrong ones, mostly where no demonstration went, is hardly ever drawn."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes(
            "bins",
            self.dropout,
            chunk_size=self.chunk_size,
            every=self.every,
            bins=self.bins,
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            layers=self.layers,
        )
        if self.width % self.heads or self.width % 4:
            raise BadInput(f"bins: width {self.width} must be a multiple of 4 and of heads ({self.heads})")
        numbers = {"temperature": self.temperature, "noise": self.noise, "spread": self.spread}
        for what, number in numbers.items():
            if not 0 <= number < math.inf:
                raise BadInput(f"bins: {what} {number}; allowed: 0 and more")


def key_steps(chunk_size: int, every: int) -> list[int]:
    """The steps of a chunk that are named: the first, the last, and between them at most ``every`` apart."""
    count = math.ceil((chunk_size - 1) / every) + 1
    return [round(step) for step in np.linspace(0, chunk_size - 1, count)]


def lines_between(keys: list[int]) -> Tensor:
    """(k, n): each step of a chunk as a weighted sum of its key steps, on the straight line between two of them."""
    steps = np.arange(keys[-1] + 1)
    return torch.from_numpy(np.stack([np.interp(steps, keys, one) for one in np.eye(len(keys))], 1).astype(np.float32))


class Bins(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    low_J: Tensor
    high_J: Tensor
    line_kn: Tensor
    key_n: Tensor

    def __init__(self, config: BinsConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.joints = len(inputs.joints)
        width = config.width
        self.keys = key_steps(config.chunk_size, config.every)
        self.register_buffer("line_kn", lines_between(self.keys), persistent=False)
        # As a tensor beside the weights: a list would be copied to a GPU for every batch.
        self.register_buffer("key_n", torch.tensor(self.keys), persistent=False)
        self.tokens = ObservationTokens(inputs, config.vision, width)
        layer = (width, config.heads, config.feed_forward, config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.layers))
        xavier(self.layers)
        self.step = nn.Parameter(torch.randn(len(self.keys), width) * 0.02)
        # What named bins tell the steps after them.
        self.to_steps = Linear(self.joints, width, bias=False) if len(self.keys) > 1 else None
        self.name = nn.Sequential(
            nn.LayerNorm(width), Linear(width, 2 * width), nn.GELU(), Linear(2 * width, self.joints * config.bins)
        )
        self.register_buffer("low_J", torch.full((self.joints,), -WIDEST))
        self.register_buffer("high_J", torch.full((self.joints,), WIDEST))

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Lays the bins over the range of the demonstrated actions, and over their Gaussians' reach beyond it."""
        for number, batch in enumerate(batches):
            action_NJ = held(batch.action_BkJ, batch.pad_Bk).flatten(0, 1)
            low, high = action_NJ.amin(0), action_NJ.amax(0)
            self.low_J.copy_(low if number == 0 else torch.minimum(self.low_J, low))
            self.high_J.copy_(high if number == 0 else torch.maximum(self.high_J, high))
        # A joint that never moved: its one value lies in the middle of narrow bins.
        still = (self.high_J - self.low_J < 1e-3) * 0.5
        # A Gaussian cut off at its target has its mean elsewhere: a gripper would never quite close.
        beyond = REACH * self.config.spread / self.config.bins * (self.high_J - self.low_J)
        self.low_J.sub_(still + beyond)
        self.high_J.add_(still + beyond)

    def place_of(self, action_BnJ: Tensor) -> Tensor:
        """(..., J) where in the range targets lie, counted in bins: bin b reaches from b to b + 1."""
        share = (action_BnJ - self.low_J) / (self.high_J - self.low_J)
        return (share * self.config.bins).clamp(0, self.config.bins)

    def action_at(self, place_BnJ: Tensor) -> Tensor:
        """(..., J) the targets at these places."""
        return self.low_J + place_BnJ / self.config.bins * (self.high_J - self.low_J)

    def _told(self, place_BiJ: Tensor) -> Tensor:
        """(B, i, J) what was named as it is told on: -1 to 1 over the range."""
        told_BiJ = 2 * place_BiJ / self.config.bins - 1
        if self.training:
            told_BiJ = told_BiJ + 2 * self.config.noise * torch.randn_like(told_BiJ)
        return told_BiJ

    def _steps(self, tokens_BND: Tensor, told_BiJ: Tensor) -> Tensor:
        """(B, i + 1, D): what is known at each key step, from the observation and what the i before told."""
        steps_BiD = self.step[: told_BiJ.shape[1] + 1].expand(len(tokens_BND), -1, -1)
        if self.to_steps is not None:
            steps_BiD = steps_BiD + F.pad(self.to_steps(told_BiJ), (0, 0, 1, 0))
        x = torch.cat([tokens_BND, steps_BiD], 1)
        nowhere = x.new_zeros(1, 1)
        for layer in self.layers:
            x = layer(x, nowhere, causal=True)
        return x[:, tokens_BND.shape[1] :]

    def _logits(self, step_BiD: Tensor) -> Tensor:
        """(B, i, J, bins)"""
        logits: Tensor = self.name(step_BiD).unflatten(-1, (self.joints, self.config.bins))
        return logits

    def _right(self, place_BnJ: Tensor) -> Tensor:
        """(B, n, J, bins) the probabilities that ought to be named."""
        place_BnJ1 = place_BnJ.unsqueeze(-1)
        number_b = torch.arange(self.config.bins, device=place_BnJ.device)
        if self.config.spread == 0:
            return (number_b == place_BnJ1.long().clamp(max=self.config.bins - 1)).float()
        return (-0.5 * ((number_b + 0.5 - place_BnJ1) / self.config.spread).square()).softmax(-1)

    def loss(self, batch: Batch) -> Loss:
        tokens_BND = self.tokens(batch.state_BS, batch.images_BHWC)
        place_BnJ = self.place_of(held(batch.action_BkJ, batch.pad_Bk)[:, self.key_n])
        logits_BnJb = self._logits(self._steps(tokens_BND, self._told(place_BnJ[:, :-1])))
        right_BnJb = self._right(place_BnJ)
        surprise_N = F.cross_entropy(logits_BnJb.flatten(0, 2), right_BnJb.flatten(0, 2), reduction="none")
        total = valid_mean(surprise_N.view_as(place_BnJ), batch.pad_Bk[:, self.key_n], batch.absent_BJ)
        return Loss(total, {"cross_entropy": total})

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, drawn key step by key step."""
        tokens_BND = self.tokens(state_BS, images_BHWC)
        place_BiJ = tokens_BND.new_zeros(len(tokens_BND), 0, self.joints)
        for _ in self.keys:
            newest_B1D = self._steps(tokens_BND, self._told(place_BiJ))[:, -1:]
            place_BiJ = torch.cat([place_BiJ, self._place(self._logits(newest_B1D), generator)], 1)
        return self.line_kn @ self.action_at(place_BiJ)

    def _place(self, logits_BiJb: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, i, J) the mean of the probabilities near a drawn bin, counted in bins."""
        drawn_BiJ1 = choose(logits_BiJb, self.config.temperature, generator).unsqueeze(-1)
        number_b = torch.arange(self.config.bins, device=logits_BiJb.device)
        far_BiJb = (number_b - drawn_BiJ1).abs() > REACH * self.config.spread
        near_BiJb = logits_BiJb.masked_fill(far_BiJb, -math.inf).softmax(-1)
        return near_BiJb @ (number_b + 0.5)
