"""The Rerun view: a file with everything in it where Rerun is installed, one clear line where it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import bimanual
import pytest

from il_robot.cli import main

RERUN = importlib.util.find_spec("rerun") is not None


def test_view_writes_a_file_or_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episode = bimanual.dataset(tmp_path / "data", 1) / "ep_0.zarr"
    code = main(["dataset", "view", str(episode), "--out", str(tmp_path / "episode.rrd")])
    if not RERUN:
        assert code == 2
        assert capsys.readouterr().err == "error: this needs rerun: pip install 'il-robot[view]'\n"
        return
    assert code == 0
    frames = sum(len(file.read_bytes()) for file in episode.rglob("images/*/c/0/0/0/0"))
    assert (tmp_path / "episode.rrd").stat().st_size > 0.9 * frames - 2 * 4096, "every frame belongs in it"
