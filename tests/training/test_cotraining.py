"""Several datasets at once: weights, and rigs that lack what the first one has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from demonstrations import RIG, demonstrate

from il_robot.errors import BadInput
from il_robot.policies.catalogue import build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.rig import Arm, Camera, Joint, Rig
from il_robot.training.demonstrations import demonstrations
from il_robot.training.description import read_description
from il_robot.training.images import decode_images
from il_robot.training.statistics import Statistics
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


@pytest.mark.parametrize("policy", ["act", "bc"])
def test_a_joint_that_is_absent_teaches_nothing(both: tuple[Path, Path], tmp_path: Path, policy: str) -> None:
    train(policy, both, weights=(1, 1), out=tmp_path / "run", steps=1, chunk_size=3, batch=4)  # type: ignore[arg-type]
    description = read_description(tmp_path / "run")
    rows = gather(demonstrations(both, (1.0, 1.0)).train, description.inputs)
    windows = Windows(rows, {}, description.statistics, 3)
    network = build(description.network, description.inputs)
    other = windows.batch(np.array([12, 15]))
    network.loss(other).total.backward()
    bias = network.head.bias if policy == "act" else network.layers[-1].bias  # type: ignore[union-attr]
    gradient = bias.grad.view(-1, 3).abs().sum(0)  # type: ignore[union-attr,operator]
    assert gradient[:2].tolist() == [0, 0]
    assert gradient[2] > 0


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
