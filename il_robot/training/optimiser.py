"""What changes the weights: AdamW on a warm-up and cosine schedule, clipped, and an average of where they were.

A batch is computed in shards: one for each process, cut further where the recipe accumulates. Their gradients are
averaged, so the update is that of the whole batch however it was cut.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from il_robot.errors import BadInput
from il_robot.policies.catalogue import Network
from il_robot.policies.network import Batch, Loss
from il_robot.training.augmentation import augmented
from il_robot.training.average import Average
from il_robot.training.checkpoint import check_fits_network
from il_robot.training.distributed import ALONE, World
from il_robot.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of training step ``step``: a line from 0 to the full rate, then half a cosine down to 0."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class _Learner(nn.Module):
    """A network's loss as a forward pass, which is what torch compiles and what it synchronises over processes."""

    def __init__(self, network: Network, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self._bf16 = recipe.precision == "bf16"
        self._device_type = device.type

    def forward(self, batch: Batch) -> Loss:
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._bf16):
            return self.network.loss(batch)


class Optimiser:
    """A network being trained, and the exponential average of its weights that will drive."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: torch.device | None = None,
        world: World = ALONE,
    ) -> None:
        """``network`` is on ``device`` (default: the CPU) already; every process of ``world`` gives the same one."""
        device = device or torch.device("cpu")
        if recipe.channels_last:
            cast(nn.Module, network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.recipe = recipe
        self._seed = seed
        self._world = world
        self._average = Average(network, recipe.average)
        self._names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._adam = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        learner: nn.Module = _Learner(network, recipe, device)
        self._together = _in_step(learner) if world.size > 1 else None
        learner = self._together or learner
        # Dynamic shapes would only be needed for a last, smaller batch; there is none.
        self._loss = cast(Callable[[Batch], Loss], torch.compile(learner, dynamic=False) if recipe.compile else learner)

    @property
    def average(self) -> Network:
        """The network with averaged weights; see :class:`Average`."""
        return self._average.network

    def learn(self, batch: Batch, step: int) -> tuple[Loss, Tensor]:
        """The gradient of this process's part of a batch, averaged over all; no weight changes before :meth:`update`.

        Returns its loss and the gradient's norm, of which one may not be finite.
        """
        self.network.train()
        self._adam.zero_grad(set_to_none=True)
        loss = _mean([self._learn(shard, step, number) for number, shard in enumerate(self._shards(batch))])
        return loss, torch.nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip)

    def update(self, step: int) -> None:
        """Changes the weights, and the average of them, by the gradient that was learned last; it must be finite."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.recipe, step)
        self._adam.step()
        self._average.update()

    def _shards(self, batch: Batch) -> list[Batch]:
        parts = self.recipe.accumulate
        if parts == 1:
            return [batch]
        each = len(batch.state_BS) // parts
        return [
            batch.map(lambda tensor, first=number * each: tensor[first : first + each])  # type: ignore[misc]
            for number in range(parts)
        ]

    def _learn(self, shard: Batch, step: int, number: int) -> Loss:
        """Adds the shard's gradient; processes average theirs with the last one."""
        parts = self.recipe.accumulate
        if parts * self._world.size > 1:
            # Each shard's noise is its own, so that it is the same whoever computes it. A whole batch goes on with
            # torch's random state instead.
            number_of_all = self._world.rank * parts + number
            torch.manual_seed(int(np.random.SeedSequence([self._seed, step, number_of_all]).generate_state(1)[0]))
        shard = augmented(shard, self.recipe.augmentation)
        with self._apart() if number < parts - 1 else nullcontext():
            loss = self._loss(shard)
            (loss.total / parts).backward()
        return loss

    def _apart(self) -> AbstractContextManager[None]:
        return self._together.no_sync() if self._together is not None else nullcontext()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be kept to go on exactly as if never stopped."""
        kept = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        kept |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        kept["averaged"] = torch.tensor(self._average.count)
        for name, parameter in zip(self._names, self._parameters, strict=True):
            kept |= {f"adam.{name}.{key}": value for key, value in self._adam.state[parameter].items()}
        return kept

    def restore(self, tensors: dict[str, Tensor], where: Path) -> None:
        """Puts back what :meth:`tensors` gave. Raises BadInput when it is another network's."""
        for network, prefix in ((self.network, "network."), (self.average, "average.")):
            check_fits_network(network, _below(prefix, tensors), where)
            network.load_state_dict(_below(prefix, tensors))
        try:
            self._average.count = int(tensors["averaged"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise BadInput(f"{where}: not what a run saves to go on: {error}") from None
        for name, parameter in zip(self._names, self._parameters, strict=True):
            kept = _below(f"adam.{name}.", tensors)
            shapes = {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
            # Before the first step Adam keeps nothing.
            if {key: value.shape for key, value in kept.items()} != (shapes if self._average.count else {}):
                raise BadInput(f"{where}: does not fit its configuration: Adam's averages of {name}")
            self._adam.state[parameter] = {key: _placed(value, parameter) for key, value in kept.items()}


def _in_step(learner: nn.Module) -> DistributedDataParallel:
    """``learner`` with its gradients averaged over all processes, which begin with the first one's weights and buffers.

    No step changes a buffer (batch norm is frozen, and what is prepared or memorised is so by the same windows), so
    none is sent again before each. Torch has two names for that option, from 2.13 on and before; the attribute is in
    all of them.
    """
    # Said of convolutions with one pixel, where the order of channels and pixels is the same either way.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
    together = DistributedDataParallel(learner)
    together.broadcast_buffers = False
    return together


def _placed(value: Tensor, parameter: Tensor) -> Tensor:
    """Where and in the memory order in which Adam keeps what belongs to ``parameter``."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _mean(losses: Sequence[Loss]) -> Loss:
    if len(losses) == 1:
        return losses[0]
    parts = {name: torch.stack([loss.parts[name].detach() for loss in losses]).mean() for name in losses[0].parts}
    return Loss(torch.stack([loss.total.detach() for loss in losses]).mean(), parts)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
