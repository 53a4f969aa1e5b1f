"""ResNet-18 (He et al. 2016) as a feature map, with frozen batch norm and torchvision's parameter names.

Frozen, because a policy's batches are small and exponential averages of the weights do not mix with running
statistics. Weights trained on ImageNet can be read from a safetensors file of torchvision's ``resnet18``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.counted import counted
from il_robot.errors import BadInput

_CLASSIFIER = ("fc.weight", "fc.bias")
_UNUSED = "num_batches_tracked"
"""What torchvision's file has besides: the layer that names an image's class, and a counter of each batch norm."""


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and affine map are constants."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def after(self, convolution: nn.Conv2d, x_BCHW: Tensor) -> Tensor:
        """Of what ``convolution``, which has no bias, makes of ``x``.

        The constants scale its weights, of which there are fewer than pixels, and become its bias.
        """
        scale = self.weight * torch.rsqrt(self.running_var + self.epsilon)
        shift = self.bias - self.running_mean * scale
        weight = convolution.weight * scale[:, None, None, None]
        return F.conv2d(x_BCHW, weight, shift, convolution.stride, convolution.padding)


class Shortcut(nn.Sequential):
    """The way around a block that changes the size: a convolution and its norm."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        convolution, norm = self
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, FrozenBatchNorm)
        return norm.after(convolution, x_BCHW)


class BasicBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = FrozenBatchNorm(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = FrozenBatchNorm(after)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.downsample = Shortcut(nn.Conv2d(before, after, 1, stride, bias=False), FrozenBatchNorm(after))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        inner = F.relu_(self.bn1.after(self.conv1, x_BCHW))
        return F.relu_(self.bn2.after(self.conv2, inner).add_(self.downsample(x_BCHW)))


class ResNet18(nn.Module):
    """(B, 3, H, W) -> (B, 512, H/32, W/32)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu_(self.bn1.after(self.conv1, x_BCHW)), 3, 2, 1)
        result: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return result


def start_from_imagenet(network: nn.Module, path: str) -> bool:
    """Fills every ResNet-18 in ``network`` from ``path``; with an empty path all stay random.

    Returns whether none is left random. Raises BadInput when there is a path and no ResNet-18, or the file is missing
    or another's.
    """
    encoders = [module for module in network.modules() if isinstance(module, ResNet18)]
    if not path:
        return not encoders
    if not encoders:
        raise BadInput(
            f"--imagenet {path}: this policy has no ResNet-18; allowed with images and a preset that has one"
        )
    for encoder in encoders:
        load_imagenet(encoder, Path(path))
    return True


def load_imagenet(network: ResNet18, path: Path) -> None:
    """Fills ``network`` from torchvision's resnet18 weights saved as safetensors. Raises BadInput."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: not a safetensors file of resnet18 weights: {error}") from None
    wanted = network.state_dict()
    missing = sorted(set(wanted) - set(weights))
    if missing:
        raise BadInput(
            f"{path}: not torchvision's resnet18: {counted(len(missing), 'tensor')} missing, the first {missing[0]!r}"
        )
    # A resnet34 has all of these tensors in the same shapes, and more blocks.
    more = sorted(name for name in set(weights) - set(wanted) if not name.endswith(_UNUSED) and name not in _CLASSIFIER)
    if more:
        raise BadInput(f"{path}: not torchvision's resnet18, which has no {more[0]!r}")
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape:
            shapes = f"{tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
            raise BadInput(f"{path}: not torchvision's resnet18: {name} has shape {shapes}")
        if not torch.isfinite(weights[name]).all():
            raise BadInput(f"{path}: {name} holds values that are not finite")
    network.load_state_dict({name: weights[name] for name in wanted})
