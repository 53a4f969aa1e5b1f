"""What TensorBoard would show is what ``metrics.jsonl`` tells."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from demonstrations import demonstrations

from il_robot.errors import Fault
from il_robot.training.journal import read_metrics
from il_robot.training.tensorboard import Board
from il_robot.training.train import train

pytest.importorskip("tensorboard")


def test_its_curves_are_those_of_the_metrics_also_after_a_resume(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    demonstrations(tmp_path / "data", episodes=2, steps=8)
    small = {"batch": 2, "chunk_size": 2, "set": (("hidden=8",),), "out": tmp_path / "run", "tensorboard": True}
    train("bc", (tmp_path / "data",), steps=3, **small)  # type: ignore[arg-type]
    train("bc", (tmp_path / "data",), steps=5, resume=True, **small)  # type: ignore[arg-type]
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    shown.Reload()
    lines = read_metrics(tmp_path / "run")
    assert {name for line in lines for name in line} - {"step"} == set(shown.Tags()["scalars"])
    for name in ("loss", "validation"):
        told = {line["step"]: pytest.approx(line[name], rel=1e-6) for line in lines if name in line}
        assert {event.step: event.value for event in shown.Scalars(name)} == told


def test_a_full_disk_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    board = Board(tmp_path, 0)
    for step in range(200):
        board.hear({"step": step, "loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(Fault, match=r"tensorboard: cannot be written: File too large$"):
            board.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capfd.readouterr().err == ""
