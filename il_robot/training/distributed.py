"""Several processes that train one network together, each on its share of every batch (``torchrun``).

Data parallelism only: a network of this project, its gradients and Adam's two averages take under 2 GB, so cutting
the weights themselves across devices (FSDP) would only add traffic.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed

from il_robot.counted import counted
from il_robot.errors import BadInput, Fault

PATIENCE = timedelta(hours=6)
"""How long processes wait for the first one, which alone validates and drives in simulation. Should one die, torchrun
ends the others at once."""


@dataclass(frozen=True)
class World:
    """Who takes part."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """The one that writes files and speaks."""
        return self.rank == 0

    def check_batch(self, batch: int, parts: int) -> None:
        """Raises BadInput when ``batch`` windows cannot be shared out equally, each process's in ``parts``."""
        if batch % (self.size * parts):
            cut = f"{counted(self.size, 'process', 'processes')} with {counted(parts, 'part')} each"
            raise BadInput(f"a batch of {batch} cannot be cut equally for {cut}")

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """``values`` averaged over all processes; each must ask at the same point."""
        if self.size > 1:
            values = values.clone()
            torch.distributed.all_reduce(values)
            values /= self.size
        return values

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            torch.distributed.barrier()


ALONE = World()


@contextmanager
def joined(device: str) -> Iterator[tuple[World, str]]:
    """The processes that ``torchrun`` started, and the device of this one: ``cuda`` becomes its own GPU.

    Alone where nobody started others. Raises Fault when the others cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE, device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    elif device != "cpu":
        raise BadInput(f"--device {device}: under torchrun each process takes its own; allowed: cpu, cuda")
    if device != "cpu":
        torch.cuda.set_device(device)
    try:
        torch.distributed.init_process_group("gloo" if device == "cpu" else "nccl", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise Fault(f"the other processes of torchrun cannot be reached: {str(error).splitlines()[0]}") from None
    try:
        yield World(torch.distributed.get_rank(), torch.distributed.get_world_size()), device
    finally:
        torch.distributed.destroy_process_group()
