from __future__ import annotations

import pytest
import torch
from policy_contract import STATE_ONLY, PolicyContract, random_batch

from il_robot.errors import BadInput
from il_robot.policies.inputs import Inputs
from il_robot.policies.network import Batch, held
from il_robot.policies.vinn import Vinn, VinnConfig
from il_robot.policies.vision import VisionConfig

SMALL = {"width": 16, "hidden": 32, "features": 16, "memory": 32}


class TestVinn(PolicyContract):
    def config(self, chunk_size: int) -> VinnConfig:
        vision = VisionConfig(channels=(8, 8, 8), keypoints=8)
        return VinnConfig(chunk_size=chunk_size, **SMALL, neighbours=4, beta=4.0, vision=vision)

    def network(self, inputs: Inputs, chunk_size: int = 6, seed: int = 0) -> Vinn:
        network = super().network(inputs, chunk_size, seed)
        assert isinstance(network, Vinn)
        network.memorise([random_batch(inputs, 8, chunk_size)])
        return network


def remembering(batches: list[Batch], neighbours: int = 3, beta: float = 1.0) -> Vinn:
    torch.manual_seed(0)
    network = Vinn(VinnConfig(chunk_size=4, **SMALL, neighbours=neighbours, beta=beta), STATE_ONLY).eval()
    network.memorise(batches)
    return network


def test_it_is_the_softmax_weighted_mean_of_the_nearest() -> None:
    batches = [random_batch(STATE_ONLY, 9, 4, seed) for seed in (1, 2)]
    network, asked = remembering(batches, beta=0.7).requires_grad_(False), random_batch(STATE_ONLY, 1, 4, 5)
    keys = torch.cat([network.key(batch.state_BS, {}) for batch in batches])
    values = torch.cat([held(batch.action_BkJ, batch.pad_Bk) for batch in batches])
    distances = [(float((network.key(asked.state_BS, {}) - key).norm()), n) for n, key in enumerate(keys)]
    nearest = sorted(distances)[:3]
    weights = torch.tensor([-0.7 * distance for distance, _ in nearest]).softmax(0)
    expected = sum(weight * values[n] for weight, (_, n) in zip(weights, nearest, strict=True))
    torch.testing.assert_close(network.predict(asked.state_BS, {})[0], expected, atol=1e-5, rtol=1e-4)


def test_what_was_demonstrated_is_at_distance_zero_and_comes_back() -> None:
    batch = random_batch(STATE_ONLY, 6, 4)
    network = remembering([batch], neighbours=1)
    assert network.distance(batch.state_BS, {}).max() < 1e-2
    torch.testing.assert_close(network.predict(batch.state_BS, {}), held(batch.action_BkJ, batch.pad_Bk))


def test_more_windows_than_room_are_left_and_fewer_than_neighbours_do() -> None:
    full = remembering([random_batch(STATE_ONLY, 20, 4, seed) for seed in (0, 1)])
    assert int(full.used_M.sum()) == 32
    batch = random_batch(STATE_ONLY, 1, 4)
    one = remembering([batch], neighbours=3)
    torch.testing.assert_close(one.predict(batch.state_BS, {}), held(batch.action_BkJ, batch.pad_Bk))


@pytest.mark.parametrize("wrong", [{"neighbours": 33}, {"beta": 0.0}, {"width": 6}, {"memory": 0}])
def test_impossible_configurations_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="vinn: "):
        VinnConfig(**(SMALL | wrong))  # type: ignore[arg-type]
