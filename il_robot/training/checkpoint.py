"""Weights on disk: safetensors, in which nothing is ever executed; see :mod:`il_robot.training.run_folder`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from il_robot.errors import BadInput, Fault
from il_robot.policies.catalogue import Network


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Writes beside ``path`` and renames: a reader finds the old file or the new one. Raises Fault on a full disk."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        for left in path.parent.glob(".tmp*"):  # where safetensors writes first, of a save that was killed
            left.unlink()
        part.touch()
        mode = part.stat().st_mode
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part, dict(facts))
        part.chmod(mode)  # safetensors lets nobody else read it, whatever the umask
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise Fault(f"{path}: cannot be saved: {error}") from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and facts of a file. Raises BadInput when it is missing, damaged or something else."""
    if not path.is_file():
        raise BadInput(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: damaged or not a checkpoint: {error}") from None


def check_fits_network(network: Network, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises BadInput when ``tensors`` are not those of ``network``, which may be on torch's ``meta`` device."""
    wanted = network.state_dict()
    for name in sorted(set(wanted) | set(tensors)):
        if name not in tensors:
            raise BadInput(f"{where}: does not fit its configuration: {name} is missing")
        if name not in wanted:
            raise BadInput(f"{where}: does not fit its configuration: {name!r} is not in the network")
        if tensors[name].shape != wanted[name].shape:
            shapes = f"{tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
            raise BadInput(f"{where}: does not fit its configuration: {name} has shape {shapes}")
        if tensors[name].dtype != wanted[name].dtype:
            kinds = f"{tensors[name].dtype} instead of {wanted[name].dtype}".replace("torch.", "")
            raise BadInput(f"{where}: does not fit its configuration: {name} is of type {kinds}")
        if tensors[name].is_floating_point() and not torch.isfinite(tensors[name]).all():
            raise BadInput(f"{where}: {name} holds values that are not finite")
