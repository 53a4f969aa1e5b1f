"""BeT: Behavior Transformer (Shafiullah et al. 2022, "Behavior Transformers: Cloning k modes with one stone").

The demonstrations' actions are clustered by k-means into K centres A_1 .. A_K (section 3.1). A transformer reads the
newest observations and says, for each centre, how likely it is and the offset from it to the action:

    loss = FocalLoss(p, c*) + offset_weight |A_c* + offset_c* - a|^2,   FocalLoss = -(1 - p_c*)^gamma log p_c*

with c* the centre nearest to the demonstrated action (equations 1 and 2). When driving, a centre is drawn from p and
its offset added: two ways of doing a thing stay two ways, where the mean of both may be neither.

Differences from the authors' code: a centre is a whole chunk of k actions, not one (with ``chunk_size`` 1 it is
theirs); the transformer answers for the newest observation only, so it needs no causal mask; actions are normalised
per joint, so that one offset weight fits any rig. Padded steps repeat the last action for the clustering and never
enter the offset's loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.errors import BadInput
from il_robot.policies.choice import choose
from il_robot.policies.inputs import Inputs
from il_robot.policies.kmeans import kmeans
from il_robot.policies.linear import Linear
from il_robot.policies.network import Batch, Loss, held, valid_mean
from il_robot.policies.sizes import check_sizes
from il_robot.policies.tokens import ObservationTokens
from il_robot.policies.transformer import EncoderLayer, xavier
from il_robot.policies.vision import VisionConfig


@dataclass(frozen=True)
class BetConfig:
    chunk_size: int = 50
    centres: int = 24
    """K."""
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    layers: int = 2
    focus: float = 2.0
    """Gamma of the focal loss; 0 is cross-entropy."""
    offset_weight: float = 10.0
    temperature: float = 1.0
    """Of the draw when driving: 1 as learned, 0 always the most likely centre."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes(
            "bet",
            self.dropout,
            chunk_size=self.chunk_size,
            centres=self.centres,
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            layers=self.layers,
        )
        if self.width % self.heads or self.width % 4:
            raise BadInput(f"bet: width {self.width} must be a multiple of 4 and of heads ({self.heads})")
        for name in ("focus", "offset_weight", "temperature"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"bet: {name} {getattr(self, name)}; allowed: 0 and more")


class Bet(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    centre_KkJ: Tensor

    def __init__(self, config: BetConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.chunk_shape = (config.chunk_size, len(inputs.joints))
        self.tokens = ObservationTokens(inputs, config.vision, config.width)
        self.question = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        layer = (config.width, config.heads, config.feed_forward, config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.layers))
        xavier(self.layers)
        self.category = Linear(config.width, config.centres)
        self.offset = Linear(config.width, config.centres * math.prod(self.chunk_shape))
        self.register_buffer("centre_KkJ", torch.randn(config.centres, *self.chunk_shape))

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Takes the centres from the demonstrations' chunks."""
        chunks = torch.cat([held(batch.action_BkJ, batch.pad_Bk) for batch in batches])
        centre_KX = kmeans(chunks.flatten(1).cpu(), self.config.centres)
        self.centre_KkJ.copy_(centre_KX.unflatten(1, self.chunk_shape))

    def _answer(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and offsets (B, K, k, J)."""
        tokens_BND = self.tokens(state_BS, images_BHWC)
        tokens_BND = torch.cat([self.question.expand(len(tokens_BND), -1, -1), tokens_BND], 1)
        nowhere = tokens_BND.new_zeros(1, 1)
        for number, layer in enumerate(self.layers, 1):
            tokens_BND = layer(tokens_BND, nowhere, only=1 if number == len(self.layers) else None)
        answer_BD = tokens_BND[:, 0]
        return self.category(answer_BD), self.offset(answer_BD).unflatten(1, (self.config.centres, *self.chunk_shape))

    def _chunk(self, category_B: Tensor, offset_BKkJ: Tensor) -> Tensor:
        """(B, k, J): the chosen centres with their offsets."""
        chosen = category_B.view(-1, 1, 1, 1).expand(-1, 1, *self.chunk_shape)
        return self.centre_KkJ[category_B] + offset_BKkJ.gather(1, chosen).squeeze(1)

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks, drawn from what the demonstrators might have done."""
        logits_BK, offset_BKkJ = self._answer(state_BS, images_BHWC)
        return self._chunk(choose(logits_BK, self.config.temperature, generator), offset_BKkJ)

    def loss(self, batch: Batch) -> Loss:
        logits_BK, offset_BKkJ = self._answer(batch.state_BS, batch.images_BHWC)
        action_BkJ = held(batch.action_BkJ, batch.pad_Bk)
        category_B = torch.cdist(action_BkJ.flatten(1), self.centre_KkJ.flatten(1)).argmin(1)
        log_p_B = logits_BK.log_softmax(-1).gather(1, category_B.unsqueeze(1)).squeeze(1)
        # A window without a valid step has no category.
        counts_B = (~batch.pad_Bk).any(1)
        focal_B = -((1 - log_p_B.exp()) ** self.config.focus) * log_p_B * counts_B
        focal = focal_B.sum() / counts_B.sum().clamp(min=1)
        error_BkJ = (self._chunk(category_B, offset_BKkJ) - action_BkJ).square()
        offset = valid_mean(error_BkJ, batch.pad_Bk, batch.absent_BJ)
        return Loss(focal + self.config.offset_weight * offset, {"focal": focal, "offset": offset})
