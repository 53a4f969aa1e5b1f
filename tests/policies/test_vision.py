from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from il_robot.errors import BadInput
from il_robot.policies.resnet import ResNet18, load_imagenet
from il_robot.policies.vision import SmallConv, SpatialSoftmax


def test_spatial_softmax_finds_the_bright_spot() -> None:
    layer = SpatialSoftmax(1, 1)
    torch.nn.init.constant_(layer.project.weight, 50.0)
    image = torch.zeros(1, 1, 5, 9)
    image[0, 0, 4, 2] = 1.0
    column, row = layer(image)[0].tolist()
    assert (column, row) == pytest.approx((-0.5, 1.0), abs=1e-3)


def test_resnet_has_torchvisions_parameter_names() -> None:
    network = ResNet18()
    names = set(network.state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer2.0.downsample.1.weight", "layer4.1.bn2.bias"} <= names
    # torchvision's resnet18 without its classifier and without the counts of batches.
    assert len(names) == 100
    assert sum(p.numel() for n, p in network.state_dict().items() if "running" not in n) == 11_689_512 - 513_000
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 512, 2, 3)


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


@pytest.mark.parametrize("channels", [(8,), (8, 12), (8, 0)])
def test_channels_that_cannot_be_are_one_line(channels: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="two or more multiples of 8"):
        SmallConv(channels)
