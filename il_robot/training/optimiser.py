"""What changes the weights: AdamW on a warm-up and cosine schedule, clipped, and an average of where they were."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from il_robot.errors import BadInput
from il_robot.policies.catalogue import Network
from il_robot.policies.network import Batch, Loss
from il_robot.training.presets import Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of training step ``step``: a line from 0 to the full rate, then half a cosine down to 0."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Optimiser:
    """A network being trained, and the exponential average of its weights that will drive."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        self.network = network
        self.recipe = recipe
        self._averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        self._names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._adam = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )

    @property
    def average(self) -> Network:
        """The network with averaged weights; the same object all along."""
        return cast(Network, self._averaged.module)

    def step(self, batch: Batch, step: int) -> tuple[Loss, Tensor]:
        """One update. Returns the loss and the gradient's norm; on a loss that is not finite nothing is changed."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.recipe, step)
        self.network.train()
        loss = self.network.loss(batch)
        self._adam.zero_grad(set_to_none=True)
        loss.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip)
        if torch.isfinite(loss.total) and torch.isfinite(norm):
            self._adam.step()
            self._averaged.update_parameters(self.network)
        return loss, norm

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be kept to go on exactly as if never stopped."""
        kept = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        kept |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        kept["averaged"] = self._averaged.n_averaged
        for name, parameter in zip(self._names, self._parameters, strict=True):
            kept |= {f"adam.{name}.{key}": value for key, value in self._adam.state[parameter].items()}
        return kept

    def restore(self, tensors: dict[str, Tensor], where: str) -> None:
        """Puts back what :meth:`tensors` gave. Raises BadInput when it is another network's."""
        try:
            self.network.load_state_dict(_below("network.", tensors))
            self.average.load_state_dict(_below("average.", tensors))
            self._averaged.n_averaged.copy_(tensors["averaged"])
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BadInput(f"{where}: does not fit this run's configuration: {reason}") from None
        for name, parameter in zip(self._names, self._parameters, strict=True):
            self._adam.state[parameter] = _below(f"adam.{name}.", tensors)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
