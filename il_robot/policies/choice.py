"""Drawing at random when driving: one of several possibilities, or noise.

A generator draws on its own device, so that a seed means the same chunk on any.
"""

from __future__ import annotations

import torch
from torch import Tensor


def choose(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """(..., K) -> (...) int64: drawn from softmax(logits / temperature); with temperature 0 the most likely.

    By the Gumbel trick (Gumbel 1954): the largest of ``logits / T - log(-log u)``, u uniform, is such a draw.
    """
    if temperature == 0:
        return logits.argmax(-1)
    where = logits.device if generator is None else generator.device
    uniform = torch.rand(logits.shape, generator=generator, device=where).to(logits.device).clamp(1e-7, 1 - 1e-7)
    return (logits / temperature - torch.log(-torch.log(uniform))).argmax(-1)


def gaussian(shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """Noise of mean 0 and deviation 1."""
    where = device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=where).to(device)
