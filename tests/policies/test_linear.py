"""The other matrix product gives what torch's own gives, forwards and backwards, whatever the strides."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from il_robot.policies import linear
from il_robot.policies.linear import Linear


def _gradients(layer: nn.Module, x: Tensor, weight: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = layer(x)
    return [y, *torch.autograd.grad((y * weight).sum(), [x, *layer.parameters()])]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("strides", ["plain", "transposed", "broadcast"])
def test_as_torchs_own(monkeypatch: pytest.MonkeyPatch, bias: bool, strides: str) -> None:
    monkeypatch.setattr(linear, "WORTH", 0)
    torch.manual_seed(0)
    x = {
        "plain": torch.randn(3, 5, 24),
        "transposed": torch.randn(3, 24, 5).transpose(1, 2),
        "broadcast": torch.randn(1, 5, 24).expand(3, -1, -1),
    }[strides]
    ours = Linear(24, 17, bias=bias)
    theirs = nn.Linear(24, 17, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    for weight in (torch.randn(3, 5, 17), torch.ones(1, 1, 17).expand(3, 5, -1)):
        for one, other in zip(_gradients(ours, x, weight), _gradients(theirs, x, weight), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_only_what_pays_goes_the_other_way() -> None:
    layer = Linear(64, 64)
    assert not linear._pays(torch.zeros(1, 64), layer.weight)
    assert linear._pays(torch.zeros(256, 64), layer.weight) == torch.backends.mkldnn.is_available()
    assert not linear._pays(torch.zeros(256, 64, dtype=torch.bfloat16), layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not linear._pays(torch.zeros(256, 64), layer.weight)
        assert layer(torch.zeros(256, 64)).dtype == torch.bfloat16


def test_frozen_copied_and_without_gradients() -> None:
    layer = copy.deepcopy(Linear(64, 64))
    x = torch.randn(256, 64)
    wanted = nn.functional.linear(x, layer.weight, layer.bias)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), wanted, rtol=1e-5, atol=1e-5)
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
