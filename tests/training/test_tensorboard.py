"""What TensorBoard would show is what ``metrics.jsonl`` tells."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from demonstrations import demonstrations
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from il_robot.errors import Fault
from il_robot.training.journal import read_metrics
from il_robot.training.tensorboard import Board
from il_robot.training.train import train


@pytest.mark.parametrize("told", [(True, True), (False, True), (True, False, True)], ids=str)
def test_its_curves_are_those_of_the_metrics_also_after_a_resume(tmp_path: Path, told: tuple[bool, ...]) -> None:
    """Also where a part of the run was not to tell it."""
    data = demonstrations(tmp_path / "data", episodes=2, steps=8)
    small: dict[str, Any] = {"batch": 2, "chunk_size": 2, "set": (("hidden=8",),), "out": tmp_path / "run"}
    for part, tensorboard in enumerate(told):
        train("bc", (data,), steps=3 + 2 * part, resume=part > 0, tensorboard=tensorboard, **small)
        if part == 0 and tensorboard:  # of steps after its save, as a crash leaves them
            board = Board(tmp_path / "run")
            for step in (2, 3, 4):
                board.hear({"step": step, "loss": 9.0})
            board.close()
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    shown.Reload()
    lines = read_metrics(tmp_path / "run")
    assert {name for line in lines for name in line} - {"step"} == set(shown.Tags()["scalars"])
    for name in ("loss", "validation"):
        known = [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines if name in line]
        assert [(event.step, event.value) for event in shown.Scalars(name)] == known


def test_a_full_disk_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    board = Board(tmp_path)
    for step in range(200):
        board.hear({"step": step, "loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(Fault, match=r"tensorboard: cannot be written: File too large$"):
            board.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capfd.readouterr().err == ""
