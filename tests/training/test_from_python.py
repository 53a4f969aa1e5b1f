"""The Python of docs/training.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from demonstrations import demonstrations

from il_robot.training.train import train

PAGE = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_there_is_some() -> None:
    assert any("load_policy" in block for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_it_runs(block: str, tmp_path: Path) -> None:
    demonstrations(tmp_path / "data/cube", episodes=2, steps=12)
    out = tmp_path / "runs/act"
    train("act", (tmp_path / "data/cube",), out=out, steps=1, batch=4, chunk_size=4, cameras=("cam_high",))
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(4, 3)\n"
