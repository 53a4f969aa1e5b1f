"""One step's gradient and one prediction of every policy on a device that is not the CPU, where there is none.

Only shapes, types and devices are followed, nothing is computed: a tensor that was made on the CPU in the midst of it
is an error, as it would be on a GPU. For a process of its own, since the device that it makes up stays registered:
``python tests/policies/elsewhere.py act/gpu bc/tiny`` prints a line for each policy and preset.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from policy_contract import HISTORY, random_batch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from il_robot.policies.catalogue import Network, build
from il_robot.training.augmentation import augmented
from il_robot.training.presets import PRESETS, Preset
from il_robot.training.recipe import Augmentation

NAME = "elsewhere"
_setup_privateuseone_for_python_backend(NAME)
DEVICE = torch.device(NAME)


def there(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=DEVICE)


def moved(network: Network) -> Network:
    """With all that ``state_dict`` and ``named_parameters`` know on the device; what they do not stays behind."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(there(parameter), parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, there(buffer))
    return network


def check(preset: Preset) -> None:
    network = build(preset.network, HISTORY)  # for true, as some look at what they compute while they are built
    batch = random_batch(HISTORY, 4, preset.network.chunk_size)
    batch = replace(batch, absent_BJ=torch.zeros(4, len(HISTORY.joints), dtype=torch.bool))
    with FakeTensorMode():
        network = moved(network)
        seen = augmented(batch.map(there), Augmentation(shift=0.1, hide=0.1))
        loss = network.loss(seen)
        loss.total.backward()
        made = [loss.total, *loss.parts.values(), network.eval().predict(seen.state_BS, seen.images_BHWC)]
        left = [tensor.device.type for tensor in made if tensor.device.type != NAME]
        assert not left, f"computed on {left}"


if __name__ == "__main__":
    failed = False
    for named in sys.argv[1:]:
        policy, name = named.split("/")
        try:
            check(PRESETS[policy, name])  # type: ignore[index]
            print(f"{named}: ok")
        except (RuntimeError, AssertionError) as error:
            failed = True
            print(f"{named}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    sys.exit(failed)
