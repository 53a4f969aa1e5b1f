"""Drawing one of several possibilities from their logits."""

from __future__ import annotations

import torch
from torch import Tensor


def choose(logits: Tensor, temperature: float) -> Tensor:
    """(..., K) -> (...) int64: drawn from softmax(logits / temperature); with temperature 0 the most likely.

    By the Gumbel trick (Gumbel 1954): the largest of ``logits / T - log(-log u)``, u uniform, is such a draw.
    """
    if temperature == 0:
        return logits.argmax(-1)
    uniform = torch.rand_like(logits).clamp(1e-7, 1 - 1e-7)
    return (logits / temperature - torch.log(-torch.log(uniform))).argmax(-1)
