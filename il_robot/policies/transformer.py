"""Post-norm transformer layers with positions added to queries and keys, as in DETR (Carion et al. 2020).

Shape legend: B batch, N tokens that are read, Q tokens that read, D width.
A query batch of 1 is broadcast over B: the first decoder layer's queries are the same for every sample, so
its self-attention and query projection are computed once per batch, not once per sample.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.policies.linear import Linear


def sinusoid(length: int, width: int, device: torch.device | None = None) -> Tensor:
    """(length, width) fixed positions of Vaswani et al. 2017, section 3.5."""
    position = torch.arange(length, device=device).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    table = torch.zeros(length, width, device=device)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency[: width // 2])
    return table


def sinusoid_2d(height: int, width_px: int, width: int, device: torch.device | None = None) -> Tensor:
    """(height * width_px, width): half of the channels tell the row, half the column."""
    rows = sinusoid(height, width // 2, device).unsqueeze(1).expand(-1, width_px, -1)
    columns = sinusoid(width_px, width - width // 2, device).unsqueeze(0).expand(height, -1, -1)
    return torch.cat([rows, columns], -1).reshape(height * width_px, width)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, equation 1)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.output = Linear(width, width)

    def _split(self, tokens: Tensor, batch: int) -> Tensor:
        per_head = tokens.view(*tokens.shape[:-1], self.heads, -1)
        return per_head.transpose(1, 2).expand(batch, -1, -1, -1)

    def forward(
        self,
        query_BQD: Tensor,
        key_BND: Tensor,
        value_BND: Tensor,
        pad_BN: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """(B, Q, D). Tokens where ``pad_BN`` is True are not read; with ``causal``, which excludes padding, none after
        the query."""
        batch = max(query_BQD.shape[0], key_BND.shape[0])
        attended = F.scaled_dot_product_attention(
            self._split(self.query(query_BQD), batch),
            self._split(self.key(key_BND), batch),
            self._split(self.value(value_BND), batch),
            attn_mask=None if pad_BN is None else ~pad_BN[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        result: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Sequential):
    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), Linear(hidden, width))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feed_forward = FeedForward(width, hidden, dropout)
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        tokens_BND: Tensor,
        position_ND: Tensor,
        pad_BN: Tensor | None = None,
        only: int | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """(B, N, D), or (B, only, D): the first ``only`` tokens, where nobody reads the others."""
        placed = tokens_BND + position_ND
        attended = self.attention(placed[:, :only], placed, tokens_BND, pad_BN, causal=causal)
        x = self.norm_1(tokens_BND[:, :only] + self.drop(attended))
        result: Tensor = self.norm_2(x + self.drop(self.feed_forward(x)))
        return result


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = Attention(width, heads, dropout)
        self.cross_attention = Attention(width, heads, dropout)
        self.feed_forward = FeedForward(width, hidden, dropout)
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.norm_3 = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, target_BQD: Tensor, query_QD: Tensor, memory_BND: Tensor, position_ND: Tensor) -> Tensor:
        """(B, Q, D); ``target_BQD`` may have a batch of 1."""
        placed = target_BQD + query_QD
        x = self.norm_1(target_BQD + self.drop(self.self_attention(placed, placed, target_BQD)))
        attended = self.cross_attention(x + query_QD, memory_BND + position_ND, memory_BND)
        x = self.norm_2(x + self.drop(attended))
        result: Tensor = self.norm_3(x + self.drop(self.feed_forward(x)))
        return result


def xavier(module: nn.Module) -> None:
    """Glorot-uniform weights for every matrix, as DETR and ACT start their transformers."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
