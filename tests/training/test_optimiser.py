"""What changes the weights, and when."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
import torch.distributed

from il_robot.policies.bet import BetConfig
from il_robot.policies.catalogue import build
from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch
from il_robot.training.distributed import World
from il_robot.training.optimiser import Optimiser
from il_robot.training.recipe import Recipe

INPUTS = Inputs(("a", "b"))
BET = BetConfig(chunk_size=2, centres=3, width=8, heads=2, feed_forward=8)
"""It has buffers."""
BATCH = Batch(torch.ones(2, 2), {}, torch.ones(2, 2, 2), torch.zeros(2, 2) > 0)


@pytest.fixture
def group() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    yield
    torch.distributed.destroy_process_group()


def test_no_step_sends_buffers_to_other_processes(group: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimiser = Optimiser(build(BET, INPUTS), Recipe(steps=4, batch=4), world=World(0, 2))
        together = optimiser._together
        assert together is not None and together.modules_buffers, "there are some"
        before = {name: tensor.clone() for name, tensor in optimiser.network.named_buffers()}
        sent: list[object] = []
        together._sync_module_buffers = lambda *_: sent.append(1)  # type: ignore[method-assign]
        optimiser.learn(BATCH, 0)
        optimiser.update(0)
    assert not sent
    assert all(torch.equal(before[name], tensor) for name, tensor in optimiser.network.named_buffers()), "as promised"


def test_nothing_changes_before_the_update() -> None:
    optimiser = Optimiser(build(BET, INPUTS), Recipe(steps=4, batch=2, warm_up=0))
    before = {name: tensor.clone() for name, tensor in optimiser.tensors().items()}
    loss, norm = optimiser.learn(BATCH, 0)
    assert torch.isfinite(loss.total) and norm > 0
    assert all(torch.equal(tensor, optimiser.tensors()[name]) for name, tensor in before.items())
    optimiser.update(0)
    assert not torch.equal(before["network.category.weight"], optimiser.tensors()["network.category.weight"])
