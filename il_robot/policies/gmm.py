"""GMM: a mixture of Gaussians over action chunks (mixture density networks, Bishop 1994; as a policy head in Mandlekar
et al. 2021, "What Matters in Learning from Offline Human Demonstrations for Robot Manipulation").

    p(a | o) = sum_m w_m(o) N(a; mean_m(o), diag(std_m(o))^2),     loss = -log p(a | o) / numbers

over all k steps and J joints of a chunk at once: a mode is a whole way of moving, and steps and joints agree on it.
Padded steps and absent joints are marginalised, which for a diagonal Gaussian is leaving their factors away; the
likelihood is divided by how many numbers are left, so that windows of any length count alike. It may be negative.

What varies little makes most of a likelihood's gradient, as a mean's is its error over its variance: what is known at
once then drowns what must first be found in an image. With ``beta`` above 0 the logarithm of each number's factor is
weighed with std^(2 beta), which is not differentiated (Seitzer et al. 2022, "On the Pitfalls of Heteroscedastic
Uncertainty Estimation with Probabilistic Neural Networks", equation 5). How much of a window is a mode's follows from
the likelihood itself, as in expectation-maximisation, so that with ``beta`` near 0 the gradient is the likelihood's.
What is minimised is no likelihood then; ``nll`` stands beside it.

When driving, a mode is drawn from w and its mean is followed: the noise of each joint is what varied between
demonstrations, nothing that a robot should copy (Mandlekar et al. also take it away).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.errors import BadInput
from il_robot.policies.choice import choose
from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.network import Batch, Loss, precise
from il_robot.policies.perceptron import ObservationVector, perceptron
from il_robot.policies.sizes import check_hidden, check_sizes
from il_robot.policies.vision import VisionConfig


@dataclass(frozen=True)
class GmmConfig:
    chunk_size: int = 50
    modes: int = 5
    hidden: tuple[int, ...] = (512, 512)
    least_std: float = 0.02
    """Floor of every standard deviation, in deviations of the action. Without one a likelihood has no bound."""
    beta: float = 0.0
    """How much more what is uncertain is learned from: 0 as the likelihood has it, 1 as a squared error would."""
    temperature: float = 1.0
    """Of the draw of a mode when driving: 1 as learned, 0 always the most likely."""
    image_width: int = 64
    """Features per camera, or per cell of its feature map."""
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        sizes = {"chunk_size": self.chunk_size, "modes": self.modes, "image_width": self.image_width}
        check_sizes("gmm", self.dropout, **sizes)
        check_hidden("gmm", self.hidden)
        if not (0 < self.least_std < math.inf and 0 <= self.temperature < math.inf and 0 <= self.beta <= 1):
            raise BadInput(
                f"gmm: least_std {self.least_std}, temperature {self.temperature}, beta {self.beta}; "
                "allowed: above 0, 0 or more, 0 to 1"
            )


class Gmm(nn.Module):
    """(B, S) and images -> (B, k, J). Axis M: modes."""

    def __init__(self, config: GmmConfig, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.chunk_shape = (config.modes, config.chunk_size, len(inputs.joints))
        self.observation = ObservationVector(inputs, config.vision, config.image_width)
        *before, last = config.hidden or (self.observation.size,)
        self.trunk = perceptron(self.observation.size, before, last, config.dropout)
        self.weight = Linear(last, config.modes)
        self.mean = Linear(last, math.prod(self.chunk_shape))
        self.spread = Linear(last, math.prod(self.chunk_shape))

    def _mixture(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, M), means and standard deviations (B, M, k, J)."""
        features = F.gelu(self.trunk(self.observation(state_BS, images_BHWC)))
        mean_BMkJ = precise(self.mean(features)).unflatten(-1, self.chunk_shape)
        std_BMkJ = F.softplus(precise(self.spread(features))).unflatten(-1, self.chunk_shape) + self.config.least_std
        return precise(self.weight(features)), mean_BMkJ, std_BMkJ

    def predict(
        self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, k, J) normalised action chunks: the mean of a mode that is drawn."""
        logits_BM, mean_BMkJ, _ = self._mixture(state_BS, images_BHWC)
        mode_B = choose(logits_BM, self.config.temperature, generator)
        chosen = mode_B.view(-1, 1, 1, 1).expand(-1, 1, *self.chunk_shape[1:])
        return mean_BMkJ.gather(1, chosen).squeeze(1)

    def loss(self, batch: Batch) -> Loss:
        logits_BM, mean_BMkJ, std_BMkJ = self._mixture(batch.state_BS, batch.images_BHWC)
        action_BkJ = batch.action_BkJ.masked_fill(batch.pad_Bk.unsqueeze(-1), 0.0)
        there_BkJ = (~batch.pad_Bk).unsqueeze(-1).expand_as(action_BkJ)
        if batch.absent_BJ is not None:
            there_BkJ = there_BkJ & ~batch.absent_BJ.unsqueeze(1)
        deviation_BMkJ = (action_BkJ.unsqueeze(1) - mean_BMkJ) / std_BMkJ
        log_p_BMkJ = -0.5 * deviation_BMkJ.square() - std_BMkJ.log() - 0.5 * math.log(2 * math.pi)
        log_p_BMkJ = log_p_BMkJ * there_BkJ.unsqueeze(1)
        log_weight_BM = logits_BM.log_softmax(-1)
        log_p_BM = log_weight_BM + log_p_BMkJ.sum((2, 3))
        nll = _mean(-log_p_BM.logsumexp(-1), there_BkJ)
        if not self.config.beta:
            return Loss(nll, {"nll": nll})
        heed_BMkJ = std_BMkJ.detach() ** (2 * self.config.beta)
        heeded_BM = log_weight_BM + (heed_BMkJ * log_p_BMkJ).sum((2, 3))
        share_BM = log_p_BM.softmax(-1).detach()
        return Loss(_mean(-(share_BM * heeded_BM).sum(-1), there_BkJ), {"nll": nll})


def _mean(loss_B: Tensor, there_BkJ: Tensor) -> Tensor:
    """Per number of a window, over the windows that have some."""
    count_B = there_BkJ.sum((1, 2))
    return (loss_B / count_B.clamp(min=1) * (count_B > 0)).sum() / (count_B > 0).sum().clamp(min=1)
