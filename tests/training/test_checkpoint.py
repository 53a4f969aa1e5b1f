from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from demonstrations import RIG, demonstrations
from safetensors.torch import load_file, save_file

from il_robot.errors import BadInput
from il_robot.policies.catalogue import PolicyName
from il_robot.rig import Rig
from il_robot.training.loaded_policy import load_policy
from il_robot.training.recipe import Precision
from il_robot.training.run_folder import weights_path
from il_robot.training.train import train
from il_robot.types import Observation

OBJECTS = {"cube": np.array([0, 0, 0, 1, 0, 0, 0], np.float32)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that looks at one camera and knows the cube."""
    folder = tmp_path_factory.mktemp("trained")
    demonstrations(folder / "data", episodes=3, steps=12)
    train("bc", (folder / "data",), out=folder / "run", steps=2, chunk_size=4, cameras=("cam_high",))
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def seen(height: int, width: int) -> Observation:
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Observation(np.zeros(3, np.float32), 40_000_000, images={"cam_high": image}, objects=OBJECTS)


def test_it_predicts_chunks_stamped_with_their_observation(run: Path) -> None:
    policy = load_policy(run, RIG)
    assert (policy.cameras, policy.objects, policy.chunk_size) == (("cam_high",), ("cube",), 4)
    chunk = policy.predict(seen(24, 32))
    assert chunk.qpos.shape == (4, 3)
    assert chunk.qpos.dtype == np.float32
    assert (chunk.start_ns, chunk.period_ns) == (40_000_000, 20_000_000)
    np.testing.assert_array_equal(policy.predict(seen(24, 32)).qpos, chunk.qpos)
    assert policy.predict(seen(48, 64)).qpos.shape == (4, 3), "any size the rig delivers"


def test_in_bfloat16_it_predicts_nearly_the_same(run: Path) -> None:
    chunk, rounded = (load_policy(run, RIG, precision=how).predict(seen(24, 32)).qpos for how in get_args(Precision))
    assert rounded.dtype == np.float32
    assert (rounded != chunk).any()
    np.testing.assert_allclose(rounded, chunk, atol=0.02)


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_every_policy_drives_from_what_its_training_saved(name: PolicyName, tmp_path: Path) -> None:
    demonstrations(tmp_path / "data", episodes=3, steps=12)
    train(name, (tmp_path / "data",), out=tmp_path / "run", steps=1, batch=4, chunk_size=4)
    chunk = load_policy(tmp_path / "run", RIG).predict(seen(24, 32))
    assert chunk.qpos.shape == (4, 3)
    assert np.isfinite(chunk.qpos).all()


def test_a_policy_with_a_history_looks_back_until_reset(tmp_path: Path) -> None:
    demonstrations(tmp_path / "data", episodes=3, steps=12)
    train("bc", (tmp_path / "data",), out=tmp_path / "run", steps=2, chunk_size=4, cameras=("cam_high",), history=3)
    policy = load_policy(tmp_path / "run", RIG)
    first, second = seen(24, 32), replace(seen(24, 32), qpos=np.ones(3, np.float32), time_ns=60_000_000)
    alone = policy.predict(second).qpos
    policy.reset()
    policy.observe(first)
    after = policy.predict(second).qpos
    assert not np.array_equal(after, alone)
    policy.reset()
    np.testing.assert_array_equal(policy.predict(second).qpos, alone)


def test_an_observation_that_lacks_something_is_one_line(run: Path) -> None:
    policy = load_policy(run)
    with pytest.raises(BadInput, match="no camera 'cam_high'"):
        policy.predict(Observation(np.zeros(3, np.float32), 0, objects=OBJECTS))
    with pytest.raises(BadInput, match="no object 'cube'"):
        policy.predict(Observation(np.zeros(3, np.float32), 0, images=seen(24, 32).images))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rig: replace(rig, arms=rig.arms[::-1]), "another rig.*'left_waist' where the rig has 'right_waist'"),
        (lambda rig: replace(rig, arms=rig.arms[:1]), "3 joints; the rig has 2"),
        (lambda rig: replace(rig, rate_hz=100.0), "trained at 50 Hz; rig toy runs at 100 Hz"),
        (lambda rig: replace(rig, cameras=rig.cameras[1:]), "needs camera 'cam_high'.*allowed: cam_low"),
        (lambda rig: replace(rig, objects=()), "needs the pose of 'cube'"),
    ],
)
def test_another_rig_is_one_line(run: Path, change: Callable[[Rig], Rig], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        load_policy(run, change(RIG))


def truncate(run: Path) -> None:
    path = weights_path(run, "last")
    path.write_bytes(path.read_bytes()[:1000])


class Bomb:
    """Pickled, it is a command that is run when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def pickled(run: Path) -> None:
    weights_path(run, "last").write_bytes(pickle.dumps(Bomb(run / "executed")))


def saved_by_torch(run: Path) -> None:
    torch.save({"weights": Bomb(run / "executed")}, weights_path(run, "last"))


def lose_a_tensor(run: Path) -> None:
    tensors = load_file(weights_path(run, "last"))
    tensors.pop("layers.0.weight")
    save_file(tensors, weights_path(run, "last"))


def reshape_a_tensor(run: Path) -> None:
    tensors = load_file(weights_path(run, "last"))
    tensors["layers.0.bias"] = tensors["layers.0.bias"][:3].clone()
    save_file(tensors, weights_path(run, "last"))


def spoil_a_tensor(run: Path) -> None:
    tensors = load_file(weights_path(run, "last"))
    tensors["layers.0.bias"][0] = float("nan")
    save_file(tensors, weights_path(run, "last"))


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        data = json.loads((run / "config.json").read_text())
        change(data)
        (run / "config.json").write_text(json.dumps(data))

    return apply


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncate, "damaged or not a checkpoint"),
        (pickled, "damaged or not a checkpoint"),
        (saved_by_torch, "damaged or not a checkpoint"),
        (lambda run: weights_path(run, "last").unlink(), "no such checkpoint"),
        (lose_a_tensor, "layers.0.weight is missing"),
        (reshape_a_tensor, r"layers.0.bias has shape \(3,\) instead of"),
        (spoil_a_tensor, "values that are not finite"),
        (lambda run: (run / "config.json").write_text("{"), "damaged: not JSON"),
        (lambda run: (run / "config.json").write_text("[]"), "not the configuration of an il-robot policy"),
        (lambda run: (run / "config.json").unlink(), "not a folder that il-robot train made"),
        (edit(lambda data: data.update(format="other")), "not the configuration of an il-robot policy"),
        (edit(lambda data: data.update(version=2)), "version 2 of the format"),
        (edit(lambda data: data.update(policy="atc")), "no policy 'atc'; did you mean 'act'"),
        (edit(lambda data: data.pop("statistics")), "statistics is missing"),
        (edit(lambda data: data.update(extra=1)), "unknown key 'extra'"),
        (edit(lambda data: data["network"].update(hiden=3)), "hiden"),  # type: ignore[attr-defined]
        (edit(lambda data: data["statistics"].update(state_mean=[0.0])), "1 means of the state"),  # type: ignore[attr-defined]
        (edit(lambda data: data["network"].update(chunk_size=-1)), "chunk_size -1; allowed: 1 to"),  # type: ignore[attr-defined]
        (edit(lambda data: data["network"].update(chunk_size=10**11)), "chunk_size 1000.*; allowed: 1 to"),  # type: ignore[attr-defined]
        # 40 GB of weights, were they made before they are compared.
        (edit(lambda data: data["network"].update(hidden=[100_000, 100_000])), "does not fit its configuration"),  # type: ignore[attr-defined]
        (edit(lambda data: data["network"].update(hidden=[0])), r"hidden\[0\] 0; allowed"),  # type: ignore[attr-defined]
        (edit(lambda data: data["network"].update(dropout=17)), "dropout 17.0; allowed"),  # type: ignore[attr-defined]
        (edit(lambda data: data["rig"].update(rate_hz=1e-300)), "rate_hz 1e-300; allowed"),  # type: ignore[attr-defined]
        (
            edit(lambda data: data["statistics"].update(state_mean=[0.0], state_std=[1.0])),  # type: ignore[attr-defined]
            "sizes of the state differ: 12 and 1",
        ),
    ],
)
def test_damage_is_one_line(run: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(run)
    with pytest.raises(BadInput, match=told) as caught:
        load_policy(run, RIG)
    assert "\n" not in str(caught.value)
    assert not (run / "executed").exists()


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such training run"):
        load_policy(tmp_path / "absent")
    with pytest.raises(BadInput, match="not a folder that il-robot train made"):
        load_policy(tmp_path)


def test_a_folder_of_runs_names_them(trained: Path, tmp_path: Path) -> None:
    for seed in range(4):
        shutil.copytree(trained, tmp_path / f"three/width_8/seed_{seed}")
    with pytest.raises(BadInput) as caught:
        load_policy(tmp_path / "three")
    named = ", ".join(f"{tmp_path}/three/width_8/seed_{seed}" for seed in range(3))
    assert str(caught.value).endswith(f"and is none; name one of the runs in it: {named} and 1 more")


def test_what_has_another_than_a_file_for_its_configuration_does_not_name_itself(run: Path) -> None:
    (run / "config.json").unlink()
    (run / "config.json").symlink_to("gone.json")
    with pytest.raises(BadInput, match="it has no config"):
        load_policy(run)


def test_a_run_may_be_named_by_a_text(run: Path) -> None:
    np.testing.assert_array_equal(
        load_policy(str(run)).predict(seen(24, 32)).qpos, load_policy(run).predict(seen(24, 32)).qpos
    )
