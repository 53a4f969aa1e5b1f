"""One step's gradient and one prediction of every policy on a device that is not the CPU, where there is none.

Only shapes, types and devices are followed, nothing is computed: a tensor that was made on the CPU in the midst of it
is an error, as it would be on a GPU. For a process of its own, since the device that it makes up stays registered:
``python tests/training/elsewhere.py act/gpu bc/tiny`` prints a line for each policy and preset.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from il_robot.policies.catalogue import Network, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch
from il_robot.training.augmentation import augmented
from il_robot.training.presets import PRESETS, Preset
from il_robot.training.recipe import Augmentation

NAME = "elsewhere"
_setup_privateuseone_for_python_backend(NAME)
DEVICE = torch.device(NAME)

INPUTS = Inputs(("a", "b", "c"), ("cube",), (CameraInput("high", 96, 128, 2), CameraInput("low", 48, 64)), history=2)
SIZE = 4


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


def batch(chunk_size: int) -> Batch:
    images = {camera.name: torch.empty(SIZE, *camera.shape, dtype=torch.uint8) for camera in INPUTS.cameras}
    action = torch.empty(SIZE, chunk_size, len(INPUTS.joints))
    absent = torch.empty(SIZE, len(INPUTS.joints), dtype=torch.bool)
    pad = torch.empty(SIZE, chunk_size, dtype=torch.bool)
    return Batch(torch.empty(SIZE, INPUTS.state_size), images, action, pad, absent).map(there)


def check(preset: Preset) -> None:
    network = build(preset.network, INPUTS)  # for true, as some look at what they compute while they are built
    with FakeTensorMode():
        network = moved(network)
        seen = augmented(batch(preset.network.chunk_size), Augmentation(shift=0.1, hide=0.1))
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
