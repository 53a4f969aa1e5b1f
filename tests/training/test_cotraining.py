"""Several datasets at once: weights, and rigs that lack what the first one has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demonstrations import RIG, demonstrate
from torch import Tensor

from il_robot.errors import BadInput
from il_robot.policies.catalogue import PolicyName, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch
from il_robot.rig import Arm, Camera, Joint, Rig
from il_robot.training.demonstrations import demonstrations
from il_robot.training.images import decode_images
from il_robot.training.presets import PRESETS
from il_robot.training.sampling import Indices
from il_robot.training.statistics import Statistics
from il_robot.training.study import prepare
from il_robot.training.train import train
from il_robot.training.windows import Windows, gather

OTHER = Rig(
    name="one_arm",
    rate_hz=50.0,
    arms=(Arm("right", (Joint("elbow", -3, 3, 3), Joint("waist", -3, 3, 3))),),
    cameras=(Camera("cam_low", 16, 16),),
)
INPUTS = Inputs(RIG.joint_names, RIG.objects, (CameraInput("cam_high", 12, 16), CameraInput("cam_low", 16, 16)))


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    demonstrate(tmp_path / "mine", "mine", 10)
    for number in range(3):
        demonstrate(tmp_path / "other", f"other_{number}", 20, rig=OTHER, offset=1.0, objects=())
    return tmp_path / "mine", tmp_path / "other"


def test_what_a_rig_lacks_is_padded_and_masked(both: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = demonstrations(both, (1.0, 1.0))
    assert chosen.rig().joint_names == RIG.joint_names
    rows = gather(chosen.train, INPUTS)
    statistics = Statistics.of(rows.state_NS[rows.starts], rows.action_NJ[rows.starts], INPUTS.least_spread)
    mine = chosen.train[0]
    assert statistics.action_mean[0] == pytest.approx(float(mine.action[:, 0].mean()), rel=1e-5), "of who has it"
    images = decode_images(chosen.train, INPUTS.cameras, tmp_path)
    windows = Windows(rows, images, statistics, 4)
    batch = windows.batch(np.array([3, 12]))
    assert batch.absent_BJ is not None
    assert batch.absent_BJ.tolist() == [[False, False, False], [True, True, False]]
    state_of_other = batch.state_BS[1]
    assert (state_of_other[[0, 1, *range(3, 12)]] == 0).all(), "what it lacks reads as the mean"
    assert state_of_other[2] != 0
    assert batch.images_BHWC["cam_high"][0].max() > 0
    assert batch.images_BHWC["cam_high"][1].max() == 0
    assert batch.images_BHWC["cam_low"][1].max() > 0


HEADS: dict[str, Callable[[Any], Tensor]] = {
    "act": lambda network: network.head.bias,
    "bc": lambda network: network.layers[-1].bias,
    "bet": lambda network: network.offset.bias,
    "bins": lambda network: network.name[-1].bias,
    "diffusion": lambda network: network.unet.leave[-1].bias,
    "flow": lambda network: network.unet.leave[-1].bias,
    "vae": lambda network: network.decoder[-1].bias,
    "vinn": lambda network: network.head[-1].bias,
}
"""The bias of what says the action, joint by joint; bins name each joint's after the other. A mixture's has a test of
its own."""


@pytest.mark.parametrize("policy", HEADS)
def test_a_joint_that_is_absent_teaches_nothing(both: tuple[Path, Path], policy: PolicyName) -> None:
    rows = gather(demonstrations(both, (1.0, 1.0)).train, INPUTS)
    statistics = Statistics.of(rows.state_NS[rows.starts], rows.action_NJ[rows.starts], INPUTS.least_spread)
    inputs = replace(INPUTS, cameras=())
    torch.manual_seed(0)
    network = build(replace(PRESETS[policy, "tiny"].network, chunk_size=3), inputs)
    windows = Windows(rows, {}, statistics, 3)
    prepare(network, windows)
    bias, gradients = HEADS[policy](network), []
    for which in ([3, 5], [12, 15]):
        loss = network.loss(windows.batch(np.array(which))).total
        (gradient,) = torch.autograd.grad(loss, bias)
        by_joint = gradient.view(3, -1) if policy == "bins" else gradient.view(-1, 3).T
        gradients.append((by_joint.abs().sum(1) > 0).tolist())
    assert gradients == [[True, True, True], [False, False, True]]


def test_training_sees_each_dataset_as_its_weight_says(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    batch = Windows.batch

    def seen(self: Windows, which: Indices, *, images: bool = True) -> Batch:
        chosen.extend(which)
        return batch(self, which, images=images)

    monkeypatch.setattr(Windows, "batch", seen)
    train("bc", both, weights=(1e6, 1), out=tmp_path / "run", steps=1, chunk_size=3, batch=40)
    assert len(chosen) == 40
    assert max(chosen) < 10, "of the other dataset, which has six times as many windows"


def test_weights_are_the_shares_in_which_datasets_are_seen(both: tuple[Path, Path]) -> None:
    chosen = demonstrations(both, (3.0, 1.0))
    rows = gather(chosen.train, INPUTS)
    statistics = Statistics.of(rows.state_NS, rows.action_NJ, INPUTS.least_spread)
    windows = Windows(rows, {}, statistics, 4, chosen.shares(rows))
    seen = np.concatenate([windows.choose(50, step, 1) for step in range(80)])
    assert (seen < 10).mean() == pytest.approx(0.75, abs=0.03)
    assert set(seen) == set(range(len(windows)))
    np.testing.assert_array_equal(windows.choose(50, 3, 1), seen[150:200])


def test_validation_is_of_the_first_dataset(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        for number in (1, 23):
            demonstrate(tmp_path / name, f"toy_{number}", 8)
    pair = (tmp_path / "mine", tmp_path / "other")
    assert [e.path.parent.name for e in demonstrations(pair, (1, 2)).validation] == ["mine"]
    assert [e.path.parent.name for e in demonstrations(pair).validation] == ["mine", "other"]


def test_what_cannot_be_trained_together_is_one_line(both: tuple[Path, Path], tmp_path: Path) -> None:
    out, mine = tmp_path / "run", both[0]
    with pytest.raises(BadInput, match=r"its joints .* differ from"):
        train("bc", both, out=out)
    with pytest.raises(BadInput, match="--weights: 1 for 2 datasets"):
        train("bc", both, out=out, weights=(1.0,))
    with pytest.raises(BadInput, match="--weights 1 0: allowed: above 0"):
        train("bc", both, out=out, weights=(1.0, 0.0))
    with pytest.raises(BadInput, match="named twice"):
        train("bc", (mine, mine), out=out)
    slow = Rig("slow", 25.0, RIG.arms, RIG.cameras, RIG.objects)
    demonstrate(tmp_path / "slow", "slow", 8, rig=slow)
    with pytest.raises(BadInput, match="recorded at 25 Hz, the first dataset at 50 Hz"):
        train("bc", (mine, tmp_path / "slow"), out=out, weights=(1, 1))
    strange = Rig("strange", 50.0, (Arm("middle", (Joint("lift", -3, 3, 3),)),))
    demonstrate(tmp_path / "strange", "strange", 8, rig=strange, objects=())
    with pytest.raises(BadInput, match="shares no joint with the first dataset: middle_lift"):
        train("bc", (mine, tmp_path / "strange"), out=out, weights=(1, 1), chunk_size=2)
    assert not out.exists()


def test_resumed_with_other_weights_it_refuses(both: tuple[Path, Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    train("bc", both, weights=(1, 1), out=tmp_path / "run", steps=1, chunk_size=3, batch=4)
    with pytest.raises(BadInput, match="began with other --weights: 1 1"):
        train("bc", both, weights=(1, 2), out=tmp_path / "run", resume=True)
