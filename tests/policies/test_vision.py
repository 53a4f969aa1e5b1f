from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from il_robot.errors import BadInput
from il_robot.policies.bc import Bc, BcConfig
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.resnet import FrozenBatchNorm, ResNet18, load_imagenet, start_from_imagenet
from il_robot.policies.vision import CameraEncoder, SpatialSoftmax, VisionConfig


def test_spatial_softmax_finds_the_bright_spot() -> None:
    layer = SpatialSoftmax(1, 1)
    torch.nn.init.constant_(layer.project.weight, 50.0)
    image = torch.zeros(1, 1, 5, 9)
    image[0, 0, 4, 2] = 1.0
    column, row = layer(image)[0].tolist()
    assert (column, row) == pytest.approx((-0.5, 1.0), abs=1e-3)


def test_where_a_spot_is_is_no_matter_of_bfloat16() -> None:
    layer = SpatialSoftmax(1, 1)
    torch.nn.init.constant_(layer.project.weight, 1.0)
    torch.nn.init.zeros_(layer.project.bias)
    torch.nn.init.constant_(layer.log_temperature, -math.log(8))  # a power of two: the logits are exact in bfloat16
    image = torch.rand(8, 1, 24, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = layer(image.float())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(image), exact, atol=1e-5, rtol=0)


TORCHVISION = """
conv1 64 3 7 7 bn1
layer1.0.conv1 64 64 3 3 layer1.0.bn1
layer1.0.conv2 64 64 3 3 layer1.0.bn2
layer1.1.conv1 64 64 3 3 layer1.1.bn1
layer1.1.conv2 64 64 3 3 layer1.1.bn2
layer2.0.conv1 128 64 3 3 layer2.0.bn1
layer2.0.conv2 128 128 3 3 layer2.0.bn2
layer2.0.downsample.0 128 64 1 1 layer2.0.downsample.1
layer2.1.conv1 128 128 3 3 layer2.1.bn1
layer2.1.conv2 128 128 3 3 layer2.1.bn2
layer3.0.conv1 256 128 3 3 layer3.0.bn1
layer3.0.conv2 256 256 3 3 layer3.0.bn2
layer3.0.downsample.0 256 128 1 1 layer3.0.downsample.1
layer3.1.conv1 256 256 3 3 layer3.1.bn1
layer3.1.conv2 256 256 3 3 layer3.1.bn2
layer4.0.conv1 512 256 3 3 layer4.0.bn1
layer4.0.conv2 512 512 3 3 layer4.0.bn2
layer4.0.downsample.0 512 256 1 1 layer4.0.downsample.1
layer4.1.conv1 512 512 3 3 layer4.1.bn1
layer4.1.conv2 512 512 3 3 layer4.1.bn2
"""
"""Each convolution of torchvision's resnet18, the shape of its weight, and the batch norm that follows."""


def test_resnet_has_torchvisions_parameter_names_and_shapes() -> None:
    expected = {}
    for line in TORCHVISION.strip().splitlines():
        convolution, *shape, norm = line.split()
        expected[f"{convolution}.weight"] = tuple(map(int, shape))
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{norm}.{part}"] = (int(shape[0]),)
    network = ResNet18()
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == expected
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 512, 2, 3)


def test_frozen_batch_norm_is_torchs_own_with_its_statistics_kept() -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 8, 3, 2, 1, bias=False), FrozenBatchNorm(8)
    for buffer in norm.buffers():
        buffer.copy_(torch.rand(8) + 0.5)
    image = torch.randn(2, 3, 12, 10)
    wanted = F.batch_norm(convolution(image), norm.running_mean, norm.running_var, norm.weight, norm.bias)
    torch.testing.assert_close(norm.after(convolution, image), wanted)


@pytest.mark.parametrize("sizes", [((32, 48), (32, 48)), ((32, 48), (48, 32))])
def test_cameras_that_share_a_backbone_are_read_as_if_each_alone(sizes: tuple[tuple[int, int], ...]) -> None:
    torch.manual_seed(0)
    cameras = tuple(CameraInput(name, *size, frames=2) for name, size in zip("ab", sizes, strict=True))
    encoder = CameraEncoder(VisionConfig(keypoints=0, shared=True), cameras, 16)
    images = {camera.name: torch.randint(0, 256, (3, *camera.shape), dtype=torch.uint8) for camera in cameras}
    tokens, _ = encoder(images)
    begin = 0
    for camera in cameras:
        alone = CameraEncoder(VisionConfig(keypoints=0, shared=True), (camera,), 16)
        shared = {name: value for name, value in encoder.state_dict().items() if name != "camera_embedding"}
        alone.load_state_dict(shared, strict=False)
        wanted, _ = alone(images)
        torch.testing.assert_close(tokens[:, begin : begin + wanted.shape[1]], wanted)
        begin += wanted.shape[1]
    assert begin == tokens.shape[1]


def test_images_are_scaled_as_imagenets_weights_want_them() -> None:
    """torchvision's: brightness in [0, 1], less its mean of each colour, in deviations of it."""
    encoder = CameraEncoder(VisionConfig(keypoints=0), (CameraInput("top", 8, 8),), 8)
    image = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    seen = []
    encoder.backbones[0].register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    encoder({"top": image})
    for colour, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        torch.testing.assert_close(seen[0][:, colour], (image[..., colour] / 255 - mean) / std, atol=1e-5, rtol=1e-5)


class Cells(nn.Module):
    """A backbone that says of each cell of its map which row and column it is."""

    def forward(self, image_B3HW: Tensor) -> Tensor:
        row_hw, column_hw = torch.meshgrid(torch.arange(3.0), torch.arange(5.0), indexing="ij")
        return torch.stack([row_hw, column_hw]).repeat(len(image_B3HW), 4, 1, 1)


def test_a_token_without_key_points_has_the_position_of_its_cell() -> None:
    """Sines and cosines (Vaswani et al. 2017, section 3.5), half of the channels of the row, half of the column."""
    encoder = CameraEncoder(VisionConfig(keypoints=0), (CameraInput("top", 8, 8),), 8)
    encoder.backbones[0], encoder.project = Cells(), nn.Identity()
    tokens, positions = encoder({"top": torch.zeros(1, 8, 8, 3, dtype=torch.uint8)})
    assert tokens.shape == (1, 15, 8)
    for token, position in zip(tokens[0], positions - encoder.camera_embedding, strict=True):
        expected = [f(float(place) * speed) for place in token[:2] for speed in (1, 0.01) for f in (math.sin, math.cos)]
        torch.testing.assert_close(position, torch.tensor(expected), atol=1e-6, rtol=1e-4)


def test_imagenet_weights_come_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = ResNet18(), ResNet18()
    save_file(theirs.state_dict() | {"fc.weight": torch.zeros(2, 2)}, tmp_path / "resnet18.safetensors")
    load_imagenet(ours, tmp_path / "resnet18.safetensors")
    assert torch.equal(ours.layer3[0].conv1.weight, theirs.layer3[0].conv1.weight)
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="not torchvision's resnet18: 99 tensors missing"):
        load_imagenet(ours, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="not a safetensors file"):
        load_imagenet(ours, tmp_path / "absent.safetensors")


def test_the_weights_of_a_larger_resnet_are_refused(tmp_path: Path) -> None:
    """A resnet34 has every tensor of a resnet18, and a resnet50 the same names in other shapes."""
    own = ResNet18().state_dict()
    unused = {"fc.weight": torch.zeros(2, 2), "bn1.num_batches_tracked": torch.zeros((), dtype=torch.int64)}
    save_file(own | unused, tmp_path / "resnet18.safetensors")
    load_imagenet(ResNet18(), tmp_path / "resnet18.safetensors")
    for changed, told in (
        ({"layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}, "resnet18, which has no 'layer1.2.conv1.weight'"),
        ({"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, r"has shape \(64, 64, 1, 1\) instead of"),
        ({"bn1.bias": torch.full((64,), torch.inf)}, "bn1.bias holds values that are not finite"),
    ):
        save_file(own | unused | changed, tmp_path / "other.safetensors")
        with pytest.raises(BadInput, match=told):
            load_imagenet(ResNet18(), tmp_path / "other.safetensors")


def test_a_policy_starts_from_imagenet(tmp_path: Path) -> None:
    save_file(ResNet18().state_dict(), tmp_path / "resnet18.safetensors")
    inputs = Inputs(("a",), cameras=(CameraInput("top", 64, 64),))
    policy = Bc(BcConfig(vision=VisionConfig("resnet18")), inputs)
    start_from_imagenet(policy, "")
    start_from_imagenet(policy, str(tmp_path / "resnet18.safetensors"))
    ours = policy.state_dict()["observation.cameras.backbones.0.conv1.weight"]
    assert torch.equal(ours, load_file(tmp_path / "resnet18.safetensors")["conv1.weight"])
    with pytest.raises(BadInput, match="this policy has no ResNet-18"):
        start_from_imagenet(Bc(BcConfig(), inputs), "resnet18.safetensors")


@pytest.mark.parametrize("channels", [(8,), (8, 12), (8, 0)])
def test_channels_that_cannot_be_are_one_line(channels: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="two or more multiples of 8"):
        VisionConfig(channels=channels)
