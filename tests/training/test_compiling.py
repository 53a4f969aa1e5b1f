from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch._inductor.config
from demonstrations import demonstrate, demonstrations

from il_robot.errors import Fault
from il_robot.policies.catalogue import PolicyName
from il_robot.training.loaded_policy import load_policy
from il_robot.training.train import Computing, train
from il_robot.types import Observation


def test_a_computer_without_a_compiler_is_one_line(tmp_path: Path) -> None:
    demonstrate(tmp_path / "data", "a", 8)
    torch.compiler.reset()
    small = {"steps": 2, "batch": 2, "chunk_size": 2, "set": (("hidden=8",),), "computing": Computing(compile=True)}
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "/no/compiler"), "force_disable_caches": True}),
        pytest.raises(
            Fault, match=r"cannot make a program here \(.*/no/compiler.*--compile no in another --out"
        ) as told,
    ):
        train("bc", (tmp_path / "data",), out=tmp_path / "run", **small)  # type: ignore[arg-type]
    assert "\n" not in str(told.value)
    train("bc", (tmp_path / "data",), out=tmp_path / "plain", **small | {"computing": Computing()})  # type: ignore[arg-type]
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "/no/compiler"), "force_disable_caches": True}),
        pytest.raises(Fault, match=r"\(apt install g\+\+\) or let the policy drive without --compile"),
    ):
        load_policy(tmp_path / "plain", compile=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", get_args(PolicyName))
def test_on_a_gpu_a_recorded_program_drives_from_another_thread(name: PolicyName, tmp_path: Path) -> None:
    """As the policy node does it, which loads in one thread and drives in another."""
    demonstrations(tmp_path / "data", episodes=2, steps=12)
    train(name, (tmp_path / "data",), out=tmp_path / "run", steps=2, batch=2, chunk_size=4, cameras=("cam_high",))
    policy = load_policy(tmp_path / "run", device="cuda", precision="bf16", compile=True)
    random, seen = np.random.default_rng(0), []
    for _ in range(2):
        image, qpos = random.integers(0, 255, (24, 32, 3), np.uint8), random.standard_normal(3, np.float32)
        objects = {"cube": np.array([0, 0, 0, 1, 0, 0, 0], np.float32)}
        seen.append(Observation(qpos, 0, images={"cam_high": image}, objects=objects))
    with ThreadPoolExecutor(1) as thread:
        first, second, again = thread.map(lambda at: policy.predict(seen[at]).qpos, (0, 1, 0))
    assert np.isfinite(np.stack([first, second, again])).all()
    if name in ("act", "bc"):  # others draw, or have a nearest neighbour that rounding may change
        np.testing.assert_array_equal(again, first)
        assert (second != first).any()
        plain = load_policy(tmp_path / "run", device="cuda").predict(seen[0]).qpos
        np.testing.assert_allclose(first, plain, atol=0.05)
