"""Random changes of what a batch's windows show: the state hidden, images moved and coloured.

All of it happens on the device that holds them.
Shape legend: B windows, S state, H W image, h frames of a window's history (absent where a policy sees one frame).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from il_robot.policies.network import Batch
from il_robot.training.recipe import Augmentation

_GREY = (0.299, 0.587, 0.114)
"""Share of red, green and blue in what an eye takes for brightness (ITU-R BT.601)."""


def augmented(batch: Batch, how: Augmentation) -> Batch:
    """The same windows as a policy might have seen them. What is to be done in them stays as it is."""
    if how.hide:
        batch = replace(batch, state_BS=_hidden(batch.state_BS, how.hide))
    if how.shift or how.colour:
        batch = batch.with_images(lambda image: augment(image, how))
    return batch


def augment(image_BHWC: Tensor, how: Augmentation) -> Tensor:
    """(B, H, W, 3) or (B, h, H, W, 3) uint8 -> the same, changed at random: one change per window.

    The frames of one window's history are changed alike, so that a motion stays the same motion.
    """
    if how.shift:
        image_BHWC = _shifted(image_BHWC, how.shift)
    if how.colour:
        image_BHWC = _coloured(image_BHWC, how.colour)
    return image_BHWC


def _hidden(state_BS: Tensor, share: float) -> Tensor:
    """Some states as their mean.

    Otherwise a network learns from the joints where a demonstration goes, and hardly looks at what tells it to a robot
    that has not begun yet (de Haan et al. 2019, "Causal Confusion in Imitation Learning").
    """
    seen_B1 = torch.rand(len(state_BS), 1, device=state_BS.device) >= share
    return state_BS * seen_B1


def _shifted(image_BHWC: Tensor, share: float) -> Tensor:
    """Moved by whole pixels, the edge repeated (Kostrikov et al. 2020, "Image Augmentation Is All You Need")."""
    for axis in (-3, -2):
        size = image_BHWC.shape[axis]
        most = round(share * size)
        by_B = torch.randint(-most, most + 1, (len(image_BHWC), 1), device=image_BHWC.device)
        from_BX = (torch.arange(size, device=image_BHWC.device) + by_B).clamp(0, size - 1)
        shape = [len(image_BHWC)] + [1] * (image_BHWC.dim() - 1)
        shape[axis] = size
        image_BHWC = image_BHWC.gather(axis, from_BX.view(shape).expand_as(image_BHWC))
    return image_BHWC


def _coloured(image_BHWC: Tensor, share: float) -> Tensor:
    """Brightness, contrast and saturation, each times a random factor in 1 +- ``share``, in this order."""
    batch = len(image_BHWC)
    one_each = (batch, *[1] * (image_BHWC.dim() - 1))
    bright, contrast, saturation = (1 + share * (2 * torch.rand(3, batch, device=image_BHWC.device) - 1)).unbind(0)
    result = image_BHWC.float() * bright.view(one_each)
    mean = result.mean(dim=tuple(range(1, result.dim())), keepdim=True)
    result = mean + (result - mean) * contrast.view(one_each)
    grey = (result * _grey(result.device)).sum(-1, keepdim=True)
    result = grey + (result - grey) * saturation.view(one_each)
    return result.round().clamp(0, 255).to(torch.uint8)


@lru_cache
def _grey(device: torch.device) -> Tensor:
    """Kept there: made anew for each batch, its copy to a GPU would wait for all that was begun."""
    return torch.tensor(_GREY, device=device)
