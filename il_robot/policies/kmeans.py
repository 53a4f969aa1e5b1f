"""k-means (Lloyd 1982), started as k-means++ (Arthur and Vassilvitskii 2007). N points, K centres, X numbers each."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 50


def kmeans(points_NX: Tensor, count: int, seed: int = 0) -> Tensor:
    """(K, X) centres of ``count`` clusters. A cluster that loses all its points keeps its centre."""
    random = torch.Generator().manual_seed(seed)
    centres_KX = _spread(points_NX, count, random)
    for _ in range(ROUNDS):
        nearest_N = torch.cdist(points_NX, centres_KX).argmin(1)
        total_KX = torch.zeros_like(centres_KX).index_add_(0, nearest_N, points_NX)
        size_K1 = torch.bincount(nearest_N, minlength=count).unsqueeze(1)
        moved_KX = torch.where(size_K1 > 0, total_KX / size_K1.clamp(min=1), centres_KX)
        if torch.equal(moved_KX, centres_KX):
            break
        centres_KX = moved_KX
    return centres_KX


def _spread(points_NX: Tensor, count: int, random: torch.Generator) -> Tensor:
    """k-means++: each further centre is a point drawn in proportion to its squared distance from those before."""
    chosen = [int(torch.randint(len(points_NX), (1,), generator=random))]
    square_N = torch.full((len(points_NX),), torch.inf)
    for _ in range(count - 1):
        square_N = torch.minimum(square_N, (points_NX - points_NX[chosen[-1]]).square().sum(1))
        # Fewer different points than centres: some centres coincide.
        share_N = square_N if square_N.sum() > 0 else torch.ones_like(square_N)
        chosen.append(int(torch.multinomial(share_N, 1, generator=random)))
    return points_NX[chosen].clone()
