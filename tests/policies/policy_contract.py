"""What every policy network must do; a test class per policy inherits it."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from il_robot.errors import BadInput
from il_robot.policies.catalogue import Config, Network, build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.policies.network import Batch, Remembering
from il_robot.rig import Arm, Joint, Rig
from il_robot.training.checkpoint import check_fits_network, load_tensors, save_tensors
from il_robot.training.description import Data, Description, this_software
from il_robot.training.loaded_policy import LoadedPolicy
from il_robot.training.presets import Recipe
from il_robot.training.statistics import Statistics
from il_robot.types import Observation

RIG = Rig("toy", 50.0, (Arm("left", tuple(Joint(name, -3, 3, 3) for name in ("a", "b", "c"))),))

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


def _tensors(batch: Batch) -> list[Tensor]:
    return [batch.state_BS, *batch.images_BHWC.values()]


def loss_of(network: Network, batch: Batch, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return network.loss(batch).total


def predicted(network: Network, batch: Batch, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    with torch.no_grad():
        return network.predict(batch.state_BS, batch.images_BHWC)


class Predict(nn.Module):
    """A network as what torch.compile and torch.export take."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, state_BS: Tensor, images_BHWC: dict[str, Tensor]) -> Tensor:
        return self.network.predict(state_BS, images_BHWC)


class PolicyContract(ABC):
    """Inherit, and give a small configuration."""

    overfit_steps = 120
    """Training steps that suffice to learn eight samples by heart."""

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
    def test_it_is_built_without_memory(self, inputs: Inputs) -> None:
        """What a checkpoint claims to need is looked at before it is given."""
        with torch.device("meta"):
            bare = self.network(inputs)
        shapes = {name: tensor.shape for name, tensor in self.network(inputs).state_dict().items()}
        assert {name: tensor.shape for name, tensor in bare.state_dict().items()} == shapes

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
        others = random_batch(inputs, 4, 6, seed=1)
        for told, shown in zip(_tensors(others), _tensors(batch), strict=True):
            told[2] = shown[2]
        torch.testing.assert_close(predicted(network, others)[2], predicted(network, batch)[2], atol=1e-5, rtol=1e-4)

    def test_a_seed_determines_everything(self) -> None:
        batch = random_batch(TWO_CAMERAS, 4, 6)
        first, second, other = (loss_of(self.network(TWO_CAMERAS, seed=seed), batch) for seed in (1, 1, 2))
        assert first == second
        assert first != other

    def test_a_prediction_follows_the_seed_or_a_generator_of_its_own(self) -> None:
        network, batch = self.network(ONE_CAMERA).eval(), random_batch(ONE_CAMERA, 3, 6)
        assert torch.equal(predicted(network, batch, 5), predicted(network, batch, 5))
        if "generator" not in inspect.signature(network.predict).parameters:
            assert torch.equal(predicted(network, batch, 5), predicted(network, batch, 6))
            return
        draw = [torch.Generator().manual_seed(5) for _ in range(2)]
        before = torch.get_rng_state()
        first, second = (network.predict(batch.state_BS, batch.images_BHWC, generator) for generator in draw)
        assert torch.equal(first, second)
        assert torch.equal(torch.get_rng_state(), before), "it drew from torch's own generator as well"

    def test_can_be_compiled_and_exported(self) -> None:
        """As one graph without a break; ``aot_eager`` runs it without the minutes of a code generator."""
        torch.compiler.reset()  # the graphs of other tests count against a limit
        network, batch = self.network(ONE_CAMERA, 3).eval(), random_batch(ONE_CAMERA, 2, 3)
        seen = (batch.state_BS, dict(batch.images_BHWC))
        expected = predicted(network, batch)
        with torch.no_grad():
            exported = torch.export.export(Predict(network), seen, strict=False).module()
            for program in (torch.compile(Predict(network), backend="aot_eager", fullgraph=True), exported):
                torch.manual_seed(0)
                torch.testing.assert_close(program(*seen), expected, atol=1e-5, rtol=1e-4)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    @EVERY
    def test_a_gpu_computes_the_same(self, inputs: Inputs) -> None:
        network, batch = self.network(inputs).eval(), random_batch(inputs, 4, 6)
        expected = self._drawn_on_the_cpu(network, batch)
        with torch.backends.cudnn.flags(
            enabled=True, allow_tf32=False
        ):  # torch's own choice: ten bits for convolutions
            there = self._drawn_on_the_cpu(network.cuda(), batch.to(torch.device("cuda")))
        torch.testing.assert_close(there.cpu(), expected, atol=1e-3, rtol=1e-3)

    def _drawn_on_the_cpu(self, network: Network, batch: Batch) -> Tensor:
        drawn = {}
        if "generator" in inspect.signature(network.predict).parameters:
            drawn = {"generator": torch.Generator().manual_seed(0)}
        with torch.no_grad():
            chunk: Tensor = network.predict(batch.state_BS, batch.images_BHWC, **drawn)
        return chunk

    def test_normalisation_goes_there_and_back(self) -> None:
        """What drives is the network's answer to the normalised state, in radians again."""
        inputs, rig = Inputs(joints=RIG.joint_names), RIG
        statistics = Statistics((0.3, 0.0, -2.0), (0.1, 1.0, 3.0), (1.0, 0.5, -1.0), (0.2, 0.1, 2.0))
        network = self.network(inputs).eval()
        description = Description(
            "any", self.config(6), inputs, statistics, rig, Recipe(), 0, Data((), (), ()), this_software()
        )
        qpos = np.array([0.5, 0.2, 1.0], np.float32)
        torch.manual_seed(0)
        chunk = LoadedPolicy(description, network).predict(Observation(qpos, 0))
        state = torch.from_numpy((qpos - np.float32([0.3, 0.0, -2.0])) / np.float32([0.1, 1.0, 3.0]))
        answer = predicted(network, Batch(state.unsqueeze(0), {}, torch.zeros(1, 6, 3), torch.zeros(1, 6).bool()))
        expected = answer[0].numpy() * np.float32([0.2, 0.1, 2.0]) + np.float32([1.0, 0.5, -1.0])
        np.testing.assert_allclose(chunk.qpos, expected, atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(statistics.normalise_action(chunk.qpos), answer[0], atol=1e-4, rtol=1e-3)

    @EVERY
    def test_saved_and_loaded_it_predicts_the_same(self, inputs: Inputs, tmp_path: Path) -> None:
        network, batch = self.network(inputs).eval(), random_batch(inputs, 2, 6)
        path = tmp_path / "weights.safetensors"
        save_tensors(path, network.state_dict(), {})
        other = self.network(inputs, seed=9).eval()
        tensors = load_tensors(path)[0]
        check_fits_network(other, tensors, path)
        other.load_state_dict(tensors)
        assert torch.equal(predicted(network, batch), predicted(other, batch))

    def test_weights_of_other_inputs_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="does not fit its configuration"):
            check_fits_network(self.network(STATE_ONLY), self.network(ONE_CAMERA).state_dict(), tmp_path)

    @pytest.mark.parametrize("inputs", [STATE_ONLY, ONE_CAMERA], ids=["state", "image"])
    def test_overfits_eight_samples(self, inputs: Inputs) -> None:
        network, batch = self.network(inputs), random_batch(inputs, 8, 6)
        optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
        first = float(loss_of(network, batch).detach())
        for _ in range(self.overfit_steps):
            optimiser.zero_grad()
            network.loss(batch).total.backward()
            optimiser.step()
        if isinstance(network, Remembering):
            network.memorise([batch])
        error = (predicted(network.eval(), batch) - batch.action_BkJ).abs()[~batch.pad_Bk].mean()
        assert float(error) < 0.3 * first
