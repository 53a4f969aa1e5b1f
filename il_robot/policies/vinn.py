"""VINN: visual imitation through nearest neighbours (Pari et al. 2021, "The Surprising Effectiveness of
Representation Learning for Visual Imitation").

The demonstrations are kept, each window as a key, its representation, and a value, its actions. The action is the
mean of the values of the n nearest keys, weighted by distance (equation 2):

    a = sum_i softmax(-beta |f(o) - f(o_i)|)_i a_i

Differences from the paper, on purpose: the representation f is that of a network which predicts the actions (its last
hidden layer), not of BYOL on unlabelled images. BYOL learns to overlook small shifts of the image, which are what a
grasp depends on, and wants far more images than 50 demonstrations have; so the baseline here is, if anything, stronger
than the paper's. Values are chunks of k actions. ``beta`` is a setting (1 in the paper): without it the result depends
on how large f happens to be. At most ``memory`` windows are kept, evenly spaced over the demonstrations; they are
part of the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.errors import BadInput
from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.network import Batch, Loss, held, valid_l1
from il_robot.policies.sizes import check_sizes
from il_robot.policies.tokens import ObservationTokens
from il_robot.policies.vision import VisionConfig


@dataclass(frozen=True)
class VinnConfig:
    chunk_size: int = 50
    width: int = 64
    """Of the tokens that an observation is read as."""
    hidden: int = 512
    features: int = 64
    """Numbers in a key."""
    neighbours: int = 8
    beta: float = 4.0
    """How fast a neighbour's weight falls with its distance."""
    memory: int = 8192
    """Most windows that are kept."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes(
            "vinn",
            self.dropout,
            chunk_size=self.chunk_size,
            width=self.width,
            hidden=self.hidden,
            features=self.features,
            neighbours=self.neighbours,
            memory=self.memory,
        )
        if self.neighbours > self.memory:
            raise BadInput(f"vinn: neighbours {self.neighbours}; allowed: 1 to memory ({self.memory})")
        if self.width % 4:
            raise BadInput(f"vinn: width {self.width} must be a multiple of 4")
        if not 0 < self.beta < math.inf:
            raise BadInput(f"vinn: beta {self.beta}; allowed: above 0")


class Vinn(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    key_MF: Tensor
    value_MkJ: Tensor
    used_M: Tensor

    def __init__(self, config: VinnConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        shape = (config.chunk_size, len(inputs.joints))
        self.tokens = ObservationTokens(inputs, config.vision, config.width)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.LazyLinear(config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            Linear(config.hidden, config.features),
            nn.LayerNorm(config.features, elementwise_affine=False),
        )
        self.head = nn.Sequential(
            Linear(config.features, config.hidden), nn.GELU(), Linear(config.hidden, math.prod(shape))
        )
        self.chunk_shape = shape
        self._see_once(inputs)
        self.register_buffer("key_MF", torch.zeros(config.memory, config.features))
        self.register_buffer("value_MkJ", torch.zeros(config.memory, *shape))
        self.register_buffer("used_M", torch.zeros(config.memory, dtype=torch.bool))

    def _see_once(self, inputs: Inputs) -> None:
        """Tells the lazy layer how many tokens there are."""
        black = {camera.name: torch.zeros(1, *camera.shape, dtype=torch.uint8) for camera in inputs.cameras}
        with torch.no_grad():
            self.key(torch.zeros(1, inputs.state_size), black)

    @property
    def memory(self) -> int:
        """M: most windows that are kept."""
        return self.config.memory

    def key(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, F) representations."""
        features: Tensor = self.encoder(self.tokens(state_BS, images_BHWC))
        return features

    def memorise(self, batches: Iterable[Batch]) -> None:
        """Keeps these windows, with the representation as it is now; at most ``memory`` of them."""
        self.used_M.fill_(False)
        first = 0
        with torch.no_grad():
            for batch in batches:
                key_BF = self.key(batch.state_BS, batch.images_BHWC)[: self.memory - first]
                kept = slice(first, first + len(key_BF))
                self.key_MF[kept] = key_BF
                self.value_MkJ[kept] = held(batch.action_BkJ, batch.pad_Bk)[: len(key_BF)]
                self.used_M[kept] = True
                first += len(key_BF)

    def distance(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, n) distances to the nearest neighbours, ascending: also how unlike the demonstrations this is."""
        return self._nearest(state_BS, images_BHWC)[0]

    def _nearest(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        away_BM = torch.cdist(self.key(state_BS, images_BHWC), self.key_MF)
        away_BM = away_BM.masked_fill(~self.used_M, torch.inf)
        away_Bn, which_Bn = away_BM.topk(self.config.neighbours, dim=1, largest=False)
        return away_Bn, which_Bn

    def predict(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, k, J) normalised action chunks; not a number before anything was memorised."""
        away_Bn, which_Bn = self._nearest(state_BS, images_BHWC)
        weight_Bn = torch.softmax(-self.config.beta * away_Bn, 1)
        return torch.einsum("bn,bnkj->bkj", weight_Bn, self.value_MkJ[which_Bn])

    def loss(self, batch: Batch) -> Loss:
        """Of the representation: how well the actions follow from it."""
        predicted_BkJ = self.head(self.key(batch.state_BS, batch.images_BHWC)).unflatten(1, self.chunk_shape)
        l1 = valid_l1(predicted_BkJ, batch.action_BkJ, batch.pad_Bk, batch.absent_BJ)
        return Loss(l1, {"l1": l1})
