"""What every policy network has in common: the batch it learns from and the loss it returns.

A policy network is an ``nn.Module`` with ``loss(Batch) -> Loss`` and
``predict(state_BS, images_BHWC) -> (B, k, J)``, built from its frozen configuration and its inputs.

Shape legend: B batch, S state, k steps of a chunk, J joints, H W image, D width of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Windows, normalised: the state now and the actions from now on."""

    state_BS: Tensor
    """With a history the moments one after another, the oldest first."""
    images_BHWC: Mapping[str, Tensor]
    """camera name -> uint8; (B, frames, H, W, 3) where several frames are seen. Each network scales its own images."""
    action_BkJ: Tensor
    pad_Bk: Tensor
    """True where the window has no action (past the end of what may be imitated): never in the loss."""
    absent_BJ: Tensor | None = None
    """True where the window's rig lacks a joint (another rig's data in co-training): its action is 0 and never in the
    loss. None where every rig has all."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """A batch of changed tensors: each moved to a device, or cut to a part of the windows."""
        return Batch(
            change(self.state_BS),
            {name: change(image) for name, image in self.images_BHWC.items()},
            change(self.action_BkJ),
            change(self.pad_Bk),
            None if self.absent_BJ is None else change(self.absent_BJ),
        )

    def with_images(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same windows with changed images."""
        return replace(self, images_BHWC={name: change(image) for name, image in self.images_BHWC.items()})

    def to(self, device: torch.device) -> Batch:
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """In memory that can be copied to a GPU while it computes."""
        return self.map(lambda tensor: tensor.pin_memory())


@dataclass(frozen=True)
class Loss:
    """``total`` is minimised; ``parts`` are for the log."""

    total: Tensor
    parts: Mapping[str, Tensor]


@runtime_checkable
class Prepared(Protocol):
    """A network that must see the demonstrations before its first step of training."""

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Takes from the demonstrations what is not learned by gradient; kept in buffers."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A network that keeps demonstrations besides its weights."""

    @property
    def memory(self) -> int:
        """Most windows that it keeps."""
        ...

    def memorise(self, batches: Iterable[Batch]) -> None:
        """Keeps these windows in its buffers, seen with its weights of now; called before the weights are saved."""
        ...


def held(action_BkJ: Tensor, pad_Bk: Tensor) -> Tensor:
    """(B, k, J) finite actions: where a window has none, its last one again (0 where it has none at all)."""
    last_B = ((~pad_Bk).sum(-1) - 1).clamp(min=0)
    step_Bk = torch.arange(pad_Bk.shape[1], device=pad_Bk.device).minimum(last_B.unsqueeze(1))
    finite_BkJ = action_BkJ.masked_fill(pad_Bk.unsqueeze(-1), 0.0)
    return finite_BkJ.gather(1, step_Bk.unsqueeze(-1).expand_as(action_BkJ))


def valid_l1(predicted_BkJ: Tensor, action_BkJ: Tensor, pad_Bk: Tensor, absent_BJ: Tensor | None = None) -> Tensor:
    """Mean absolute error over the steps and joints that exist; see :func:`valid_mean`."""
    target_BkJ = action_BkJ.masked_fill(pad_Bk.unsqueeze(-1), 0.0)
    return valid_mean((predicted_BkJ - target_BkJ).abs(), pad_Bk, absent_BJ)


def valid_mean(error_BkJ: Tensor, pad_Bk: Tensor, absent_BJ: Tensor | None = None) -> Tensor:
    """Mean of a finite error over what exists: per window over its own valid steps and joints, then over windows.

    The original ACT divides by padded steps too, which weakens every window near an episode's end.
    A window without a valid step counts nothing.
    """
    valid_Bk = ~pad_Bk
    if absent_BJ is None:
        error_Bk = error_BkJ.mean(-1) * valid_Bk
    else:
        present_BJ = ~absent_BJ
        error_Bk = (error_BkJ * present_BJ.unsqueeze(1)).sum(-1) / present_BJ.sum(-1, keepdim=True) * valid_Bk
    count_B = valid_Bk.sum(-1)
    per_window_B = error_Bk.sum(-1) / count_B.clamp(min=1)
    return per_window_B.sum() / (count_B > 0).sum().clamp(min=1)


def precise(x: Tensor) -> Tensor:
    """``x`` in float32 at least: a difference of numbers that are nearly alike, in bfloat16, is but rounding."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def kl_from_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(mean, exp(log_variance)) || N(0, 1))``, summed over the latent, averaged over the batch."""
    mean, log_variance = precise(mean), precise(log_variance)
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1).mean()
