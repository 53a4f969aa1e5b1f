"""Wherever a run is interrupted, its ``metrics.jsonl`` tells in the end what that of a run without a break tells."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from demonstrations import RIG, demonstrations
from torch import Tensor

from il_robot.episodes.dataset import Dataset
from il_robot.errors import BadInput, Fault
from il_robot.policies.bc import BcConfig
from il_robot.policies.catalogue import build
from il_robot.policies.inputs import Inputs
from il_robot.training import loop
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.journal import Journal, read_metrics
from il_robot.training.loop import Training
from il_robot.training.progress import Progress
from il_robot.training.recipe import Recipe
from il_robot.training.run_folder import weights_path
from il_robot.training.statistics import Statistics
from il_robot.training.windows import Windows, gather

INPUTS = Inputs(RIG.joint_names, RIG.objects)
TIMINGS = ("steps_per_s", "waiting", "cpu_s")
STEPS = 8
"""A save every four, a line every two."""


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    dataset = demonstrations(tmp_path_factory.mktemp("toy"), episodes=2, steps=12)
    rows = gather(Dataset(dataset).episodes, INPUTS)
    return Windows(rows, {}, Statistics.of(rows.state_NS, rows.action_NJ, INPUTS.least_spread), 2)


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVES", 2)
    monkeypatch.setattr(loop, "LOGS", 4)


def a_training(windows: Windows, run: Path, steps: int = STEPS) -> Training:
    torch.manual_seed(3)
    run.mkdir(exist_ok=True)
    network = build(BcConfig(chunk_size=2, hidden=(8,), dropout=0.2), INPUTS)
    training = Training(network, windows, windows, Recipe(steps=steps, batch=8, warm_up=3), run, 3)
    if weights_path(run, "resume").exists():
        training.resume()
    return training


def told(run: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in read_metrics(run)]


@pytest.fixture(scope="module")
def whole(windows: Windows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVES", 2)
        patch.setattr(loop, "LOGS", 4)
        run = tmp_path_factory.mktemp("whole")
        a_training(windows, run).fit()
    assert [line["step"] for line in told(run) if "validation" in line] == [4, 8]
    return run


def same(run: Path, whole: Path) -> None:
    assert told(run) == told(whole)
    assert load_tensors(weights_path(run, "best"))[1] == load_tensors(weights_path(whole, "best"))[1]


@pytest.mark.parametrize("at", (1, 4, 7, STEPS))
def test_stopped_after_a_step(windows: Windows, whole: Path, tmp_path: Path, at: int) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == at:
            os.kill(os.getpid(), signal.SIGINT)

    first = a_training(windows, tmp_path / "run").fit(interrupt)
    assert (first.step, first.stopped) == (at, at < STEPS)
    second = a_training(windows, tmp_path / "run").fit()
    same(tmp_path / "run", whole)
    assert second.validation == told(whole)[-1]["validation"]


class Killed(BaseException):
    pass


def test_killed_before_any_write(
    windows: Windows, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is killed before its first write, goes on and is killed before the second that it makes, and so on; of a
    line only half is written."""
    left = 0

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
        count()
        save_tensors(path, tensors, facts)

    def write(self: Journal, **values: float) -> None:
        try:
            count()
        except Killed:
            with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(values)[:20])
            raise
        written(self, **values)

    written = Journal.write
    monkeypatch.setattr(Journal, "write", write)
    monkeypatch.setattr(loop, "save_tensors", save)
    deaths = 0
    while True:
        left = deaths
        try:
            a_training(windows, tmp_path / "run").fit()
            break
        except Killed:
            deaths += 1
    assert deaths > 5
    same(tmp_path / "run", whole)


def test_a_finished_run_that_goes_on_keeps_its_results_and_tells_them(windows: Windows, tmp_path: Path) -> None:
    first = a_training(windows, tmp_path).fit()
    before = read_metrics(tmp_path)
    idle = a_training(windows, tmp_path).fit()
    assert read_metrics(tmp_path) == before
    assert idle == first
    assert first.cpu_s == before[-1]["cpu_s"], "runs and the summary have one figure"
    a_training(windows, tmp_path, STEPS + 4).fit()
    assert read_metrics(tmp_path)[: len(before)] == before
    assert read_metrics(tmp_path)[-1]["step"] == STEPS + 4


class Heard:
    def __init__(self) -> None:
        self.lines: list[Mapping[str, float]] = []

    def hear(self, line: Mapping[str, float]) -> None:
        self.lines.append(line)


def test_a_listener_hears_first_what_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    for line in ({"step": 3, "loss": 1.0}, {"step": 4, "validation": 2.0}, {"step": 4, "loss": 0.5}):
        journal.write(**line)
    heard = Heard()
    Journal(tmp_path, 4, heard)
    assert heard.lines == [{"step": 3, "loss": 1.0}, {"step": 4, "validation": 2.0}], "not what came later"


@pytest.mark.parametrize(
    "garbage", [b'{"step": 1, "loss": "x"}', b'{"step": true}', b"\xff\xfe", b"[1]", b'{"step": 1, "lo', b"\0\0\0"]
)
def test_a_line_that_no_training_wrote_is_named_and_dropped_by_a_run_that_goes_on(
    tmp_path: Path, garbage: bytes
) -> None:
    path = tmp_path / "metrics.jsonl"
    good = [b'{"step": 2, "loss": 1.5}', b'{"step": 3, "loss": 1.0}']
    path.write_bytes(b"\n".join([good[0], garbage, good[1], b""]))
    with pytest.raises(BadInput, match=r"metrics\.jsonl: damaged: line 2 is not a JSON object of numbers with a step$"):
        read_metrics(tmp_path)
    path.write_bytes(b"\n".join([*good, garbage, b""]))
    with pytest.raises(BadInput, match="line 3 is not"):
        read_metrics(tmp_path)  # whole, for it has its end: no crash cut it short
    Journal(tmp_path, 4)
    assert read_metrics(tmp_path) == [{"step": 2, "loss": 1.5}, {"step": 3, "loss": 1.0}]


def test_what_a_crash_cut_short_and_numbers_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    lines = ['{"step": 1, "loss": NaN}', '{"step": -1}', "", '{"step": 2, "loss": 1.5}\r', '{"st']
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert read_metrics(tmp_path) == [{"step": 2, "loss": 1.5}]


def test_a_disk_that_fills_up_is_one_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(Fault, match=r"metrics\.jsonl: cannot be written: No space left on device$"):
        journal.write(step=0, loss=1.0)


def test_a_disk_too_full_to_go_on_leaves_the_lines_of_before(tmp_path: Path) -> None:
    line = '{"step": 0, "loss": 1.0}\n'
    (tmp_path / "metrics.jsonl").write_text(line)
    (tmp_path / "metrics.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(Fault, match=r"metrics\.jsonl: cannot be written: No space left on device; the file of before"):
        Journal(tmp_path, 1)
    assert (tmp_path / "metrics.jsonl").read_text() == line
