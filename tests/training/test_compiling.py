from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch._inductor.config
from demonstrations import demonstrate

from il_robot.errors import Fault
from il_robot.training.loaded_policy import load_policy
from il_robot.training.train import Computing, train


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
