"""``nn.Linear`` by the faster of the two matrix products that torch brings for a CPU.

``nn.Linear`` asks MKL, which uses half the vector width of processors that are not Intel's: 95 GFLOP/s on a core of
AMD's Zen 5, where oneDNN, which torch brings for convolutions and which compiled graphs use, does 200. Both sum in
float32, in another order. What is small, compiled, exported, in bfloat16 or on a GPU goes torch's own way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

WORTH = 2**20
"""Multiplications from which oneDNN's longer way to its kernels pays."""
_AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    """(..., in) -> (..., out). Same parameters, names and starting weights as ``nn.Linear``."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or not _pays(x, self.weight):
            return F.linear(x, self.weight, self.bias)
        if not torch.is_grad_enabled():
            return _product(x.contiguous(), self.weight, self.bias)
        result: Tensor = _OneDnn.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


def _pays(x: Tensor, weight_OI: Tensor) -> bool:
    if not (_AVAILABLE and x.device.type == "cpu" and x.dtype == weight_OI.dtype == torch.float32):
        return False
    return x.numel() * len(weight_OI) >= WORTH and not torch.is_autocast_enabled("cpu")


def _product(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight_OI, bias_O, "none", [], "")
    return result


class _OneDnn(torch.autograd.Function):
    """``x W^T + b`` and its gradients, three products of the same kind."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, weight_OI)
        return _product(x, weight_OI, bias_O)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight_OI = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradient.contiguous()
        gradient_NO, x_NI = gradient.flatten(0, -2), x.flatten(0, -2)
        return (
            _product(gradient, weight_OI.t(), None) if of_x else None,
            _product(gradient_NO.t(), x_NI.t(), None) if of_weight else None,
            gradient_NO.sum(0) if of_bias else None,
        )
