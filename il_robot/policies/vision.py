"""Image encoders: a small convolution, spatial softmax, and the cameras of a rig as tokens or key points.

Shape legend: B batch, H W image, C channels, h w feature map, P key points, N tokens, D width.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.errors import BadInput
from il_robot.policies.inputs import CameraInput
from il_robot.policies.linear import Linear
from il_robot.policies.network import precise
from il_robot.policies.resnet import ResNet18
from il_robot.policies.sizes import DEEPEST, LARGEST
from il_robot.policies.transformer import sinusoid_2d

_GROUPS = 8
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class VisionConfig:
    backbone: Literal["small", "resnet18"] = "small"
    keypoints: int = 32
    """Spatial softmax to this many points; 0 leaves the feature map as it is (tokens for a transformer)."""
    channels: tuple[int, ...] = (16, 32, 32)
    """Of the small convolution; the first two layers halve the image."""
    shared: bool = False
    """One backbone for all cameras, as in ACT; else one each."""

    def __post_init__(self) -> None:
        if not 0 <= self.keypoints <= LARGEST:
            raise BadInput(f"vision: keypoints {self.keypoints}; allowed: 0 to {LARGEST}")
        if len(self.channels) > DEEPEST:
            raise BadInput(f"vision: {len(self.channels)} channels; allowed: 2 to {DEEPEST} layers of them")
        if len(self.channels) < 2 or any(not 1 <= count <= LARGEST or count % _GROUPS for count in self.channels):
            raise BadInput(f"vision: channels {self.channels}; allowed: two or more multiples of {_GROUPS}")


class SmallConv(nn.Sequential):
    """(B, 3, H, W) -> (B, C, H/4, W/4).

    Group norm (Wu and He 2018) and few layers: finding a 4 cm cube of three pixels to 6 mm took 250 training steps;
    without the norm, or with a fourth layer, the same steps left 15 to 45 mm.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        before = 3
        for number, after in enumerate(channels):
            kernel, stride = (5, 2) if number == 0 else (3, 2 if number == 1 else 1)
            convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2)
            layers += [convolution, nn.GroupNorm(_GROUPS, after), nn.ReLU(inplace=True)]
            before = after
        super().__init__(*layers[:-1])

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Channel by channel in memory: with so few, a tenth faster than pixel by pixel, as decoders give them."""
        x = image_B3HW.contiguous()
        for layer in self:
            x = layer(x)
        return x


class SpatialSoftmax(nn.Module):
    """Where each feature is (Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies", section 5.1).

    (B, C, h, w) -> (B, 2 P): the expected column and row, in [-1, 1], of P learned features.
    """

    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, keypoints, 1)
        # Sharp from the start: an even softmax points at the middle whatever the image, and learns slowly.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, map_BChw: Tensor) -> Tensor:
        height, width = map_BChw.shape[-2:]
        # The few weights are sharpened rather than the many logits: a seventh of a small convolution's training step.
        sharp = torch.exp(-self.log_temperature)
        assert self.project.bias is not None
        logits_BPhw = F.conv2d(map_BChw, self.project.weight * sharp, self.project.bias * sharp)
        weight_BPhw = F.softmax(precise(logits_BPhw).flatten(2), -1).unflatten(-1, (height, width))
        # No matrix products: autocast would round them to bfloat16, and so where a thing is to half a percent.
        column = (weight_BPhw.sum(-2) * torch.linspace(-1, 1, width, device=map_BChw.device)).sum(-1)
        row = (weight_BPhw.sum(-1) * torch.linspace(-1, 1, height, device=map_BChw.device)).sum(-1)
        return torch.cat([column, row], -1)


class CameraEncoder(nn.Module):
    """The images of several cameras -> tokens (B, N, D) and their positions (N, D).

    With key points every frame is one token; without, every cell of its feature map is one. A camera's frames share
    its backbone; where it stands in the history is learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: VisionConfig, cameras: tuple[CameraInput, ...], width: int) -> None:
        super().__init__()
        self.cameras = cameras
        self.keypoints = config.keypoints
        count = 1 if config.shared else len(cameras)
        self.backbones = nn.ModuleList(
            ResNet18() if config.backbone == "resnet18" else SmallConv(config.channels) for _ in range(count)
        )
        channels = 512 if config.backbone == "resnet18" else config.channels[-1]
        if config.keypoints:
            self.points = nn.ModuleList(SpatialSoftmax(channels, config.keypoints) for _ in cameras)
            self.project: nn.Module = Linear(2 * config.keypoints, width)
        else:
            self.project = nn.Conv2d(channels, width, 1)
        self.camera_embedding = nn.Parameter(torch.randn(sum(camera.frames for camera in cameras), width) * 0.02)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images_BHWC: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        images = [images_BHWC[camera.name] for camera in self.cameras]
        maps = self._maps([image.flatten(0, -4) for image in images])
        tokens, positions, seen = [], [], 0
        for number, (camera, image, map_BChw) in enumerate(zip(self.cameras, images, maps, strict=True)):
            embedding_FD = self.camera_embedding[seen : seen + camera.frames]
            token_BND, place_ND = self._read(map_BChw, number)
            tokens.append(token_BND.reshape(len(image), -1, token_BND.shape[-1]))
            positions.append((embedding_FD.unsqueeze(1) + place_ND).flatten(0, 1))
            seen += camera.frames
        return torch.cat(tokens, 1), torch.cat(positions, 0)

    def _maps(self, images_BHWC: Sequence[Tensor]) -> Sequence[Tensor]:
        """The feature map of each camera's single frames. Cameras of one size that share a backbone go through it
        together, which takes three quarters of the time."""
        if len(self.backbones) > 1 or len({image.shape for image in images_BHWC}) > 1:
            each = zip(itertools.cycle(self.backbones), images_BHWC, strict=False)
            return [backbone(self._scaled(image)) for backbone, image in each]
        maps: Sequence[Tensor] = self.backbones[0](self._scaled(torch.cat(list(images_BHWC)))).chunk(len(images_BHWC))
        return maps

    def _scaled(self, image_BHWC: Tensor) -> Tensor:
        return (image_BHWC.permute(0, 3, 1, 2) - self.mean).div_(self.std)

    def _read(self, map_BChw: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """A camera's feature maps -> their tokens (B, N, D), and where in the image each is (N, D)."""
        if self.keypoints:
            token: Tensor = self.project(self.points[number](map_BChw)).unsqueeze(1)
            return token, torch.zeros(1, token.shape[-1], device=token.device)
        map_BDhw = self.project(map_BChw)
        where = sinusoid_2d(map_BDhw.shape[2], map_BDhw.shape[3], map_BDhw.shape[1], map_BDhw.device)
        return map_BDhw.flatten(2).transpose(1, 2), where
