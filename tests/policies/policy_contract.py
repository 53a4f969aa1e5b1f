"""What every policy network must do; a test class per policy inherits it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import pytest
import torch
from torch import Tensor

from il_robot.errors import BadInput
from il_robot.policies.catalogue import Config, Network, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch, Remembering
from il_robot.training.checkpoint import fill, load_tensors, save_tensors

STATE_ONLY = Inputs(joints=("a", "b", "c"), objects=("cube",))
ONE_CAMERA = Inputs(joints=("a", "b", "c"), cameras=(CameraInput("top", 24, 32),))
TWO_CAMERAS = Inputs(
    joints=("a", "b"), objects=("cube",), cameras=(CameraInput("top", 24, 32), CameraInput("wrist", 32, 32))
)
HISTORY = Inputs(joints=("a", "b"), cameras=(CameraInput("top", 24, 32, 2), CameraInput("wrist", 32, 32)), history=3)
EVERY = pytest.mark.parametrize(
    "inputs", [STATE_ONLY, ONE_CAMERA, TWO_CAMERAS, HISTORY], ids=["state", "image", "images", "history"]
)


def random_batch(inputs: Inputs, size: int, chunk_size: int, seed: int = 0) -> Batch:
    """Windows of noise; the later half of them end in padding."""
    random = torch.Generator().manual_seed(seed)
    images = {
        camera.name: torch.randint(0, 256, (size, *camera.shape), generator=random).to(torch.uint8)
        for camera in inputs.cameras
    }
    pad = torch.zeros(size, chunk_size, dtype=torch.bool)
    pad[size // 2 :, chunk_size // 2 :] = chunk_size > 1
    return Batch(
        torch.randn(size, inputs.state_size, generator=random),
        images,
        torch.randn(size, chunk_size, len(inputs.joints), generator=random),
        pad,
    )


def loss_of(network: Network, batch: Batch, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return network.loss(batch).total


class PolicyContract(ABC):
    """Inherit, and give a small configuration."""

    @abstractmethod
    def config(self, chunk_size: int) -> Config:
        """A configuration without dropout, small enough for a test."""

    def network(self, inputs: Inputs, chunk_size: int = 6, seed: int = 0) -> Network:
        torch.manual_seed(seed)
        return build(self.config(chunk_size), inputs)

    @EVERY
    @pytest.mark.parametrize("chunk_size", [1, 6])
    def test_shapes(self, inputs: Inputs, chunk_size: int) -> None:
        network, batch = self.network(inputs, chunk_size), random_batch(inputs, 5, chunk_size)
        assert network.predict(batch.state_BS, batch.images_BHWC).shape == (5, chunk_size, len(inputs.joints))
        assert network.loss(batch).total.shape == ()

    @EVERY
    @pytest.mark.parametrize("filler", [1e6, float("nan")])
    def test_padding_never_enters_the_loss(self, inputs: Inputs, filler: float) -> None:
        network, batch = self.network(inputs), random_batch(inputs, 4, 6)
        action = torch.where(batch.pad_Bk.unsqueeze(-1), filler, batch.action_BkJ)
        spoilt = Batch(batch.state_BS, batch.images_BHWC, action, batch.pad_Bk)
        assert loss_of(network, spoilt) == loss_of(network, batch)

    @EVERY
    def test_every_parameter_learns(self, inputs: Inputs) -> None:
        network = self.network(inputs)
        network.loss(random_batch(inputs, 4, 6)).total.backward()
        idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert idle == []

    @EVERY
    def test_a_sample_does_not_see_the_others(self, inputs: Inputs) -> None:
        network, batch = self.network(inputs).eval(), random_batch(inputs, 4, 6)
        together = network.predict(batch.state_BS, batch.images_BHWC)
        alone = network.predict(batch.state_BS[2:3], {name: image[2:3] for name, image in batch.images_BHWC.items()})
        torch.testing.assert_close(together[2:3], alone, atol=1e-5, rtol=1e-4)

    def test_a_seed_determines_everything(self) -> None:
        batch = random_batch(TWO_CAMERAS, 4, 6)
        first, second, other = (loss_of(self.network(TWO_CAMERAS, seed=seed), batch) for seed in (1, 1, 2))
        assert first == second
        assert first != other

    @EVERY
    def test_saved_and_loaded_it_predicts_the_same(self, inputs: Inputs, tmp_path: Path) -> None:
        network, batch = self.network(inputs).eval(), random_batch(inputs, 2, 6)
        path = tmp_path / "weights.safetensors"
        save_tensors(path, network.state_dict(), {})
        other = self.network(inputs, seed=9).eval()
        fill(other, load_tensors(path)[0], path)
        before, after = (n.predict(batch.state_BS, batch.images_BHWC) for n in (network, other))
        assert torch.equal(before, after)

    def test_weights_of_other_inputs_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="does not fit its configuration"):
            fill(self.network(STATE_ONLY), self.network(ONE_CAMERA).state_dict(), tmp_path)

    @pytest.mark.parametrize("inputs", [STATE_ONLY, ONE_CAMERA], ids=["state", "image"])
    def test_overfits_eight_samples(self, inputs: Inputs) -> None:
        network, batch = self.network(inputs), random_batch(inputs, 8, 6)
        optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
        first = float(loss_of(network, batch).detach())
        for _ in range(120):
            optimiser.zero_grad()
            network.loss(batch).total.backward()
            optimiser.step()
        if isinstance(network, Remembering):
            network.memorise([batch])
        predicted = network.predict(batch.state_BS, batch.images_BHWC)
        error = (predicted - batch.action_BkJ).abs()[~batch.pad_Bk].mean()
        assert float(error.detach()) < 0.3 * first
