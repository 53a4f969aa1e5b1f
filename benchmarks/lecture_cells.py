"""What the lecture's table is made of: its rows, and where each cell's run and evaluation lie.

A cell is a row trained with one seed on one table's demonstrations; it is done by the commands a user would type.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from il_robot.policies.catalogue import PolicyName
from il_robot.training.presets import PresetName
from il_robot.whole_file import write_whole

DEMONSTRATIONS = 50
"""Of each style."""
STYLES = {"timed": "timed", "human": "human-like", "closed_loop": "closed-loop"}
OBSERVATIONS = {"state": "state", "image": "one camera", "cameras": "four cameras"}
PRESET_NAMES: dict[str, PresetName] = {"state": "tiny", "image": "tiny-image", "cameras": "gpu"}
CAMERAS = {"state": (), "image": ("cam_high",), "cameras": ("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist")}


@dataclass(frozen=True)
class Condition:
    """What one table is about."""

    style: str
    """Of the demonstrations."""
    observation: str
    """What the policies see."""

    def __str__(self) -> str:
        return f"{STYLES[self.style]}, {OBSERVATIONS[self.observation]}"


@dataclass(frozen=True)
class Row:
    """A policy, how it is trained and how its chunks are followed."""

    name: str
    policy: PolicyName
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    trained_as: str = ""
    """The row whose training this one shares; empty: its own."""

    @property
    def trained(self) -> str:
        return self.trained_as or self.name


def _chunks(name: str, policy: PolicyName, size: int) -> Row:
    return Row(name, policy, ("--set", f"chunk_size={size}"))


ROWS = (
    _chunks("MLP, one action", "bc", 1),
    _chunks("MLP, chunks of 50", "bc", 50),
    Row("BeT", "bet"),
    Row("VINN", "vinn"),
    Row("RT-1 bins", "bins"),
    Row("ACT", "act"),
    Row("ACT, no ensembling", "act", evaluate=("--execution", "chunk"), trained_as="ACT"),
    _chunks("ACT, one action", "act", 1),
    _chunks("ACT, chunks of 10", "act", 10),
    _chunks("ACT, chunks of 25", "act", 25),
    _chunks("ACT, chunks of 100", "act", 100),
    Row("ACT, no CVAE", "act", ("--set", "style_layers=0")),
    Row("VAE", "vae"),
    Row("GMM", "gmm"),
    Row("diffusion", "diffusion"),
    Row("flow", "flow"),
)


@dataclass(frozen=True)
class Table:
    """One table's cells, and how they are computed."""

    out: Path
    style: str
    observation: str
    device: str = "cpu"
    steps: int | None = None
    """Of a training, instead of the preset's."""
    workers: int = 1
    """Processes that drive one policy at once."""

    @property
    def folder(self) -> Path:
        return self.out / f"{self.style}-{self.observation}"

    @property
    def dataset(self) -> Path:
        return self.folder / "demonstrations"

    def cell(self, row: str, seed: int) -> Path:
        return self.folder / row.replace(", ", "-").replace(" ", "-") / str(seed)

    def run(self, row: Row, seed: int) -> Path:
        return self.cell(row.trained, seed) / "run"

    def collect(self, demonstrations: int) -> None:
        if not self.dataset.exists():
            asked = ("--episodes", str(demonstrations), "--style", self.style, "--seed", "0")
            command("sim", "collect", "--out", str(self.dataset), *asked, "--cameras", *CAMERAS[self.observation])

    def train(self, row: Row, seed: int) -> None:
        """Trains one cell, as far as that is not done, and says there on what machine."""
        run, done = self.run(row, seed), self.cell(row.trained, seed) / "trained"
        if done.exists():
            return
        words = ["train", row.policy, str(self.dataset), "--out", str(run), "--device", self.device, *row.train]
        words += ["--preset", PRESET_NAMES[self.observation]]
        words += [] if self.steps is None else ["--steps", str(self.steps)]
        command(*words, *(("--resume",) if (run / "config.json").exists() else ("--seed", str(seed))))
        write_whole(done, _machine(self.device).encode())

    def evaluate(self, row: Row, seed: int, starts: int) -> None:
        """Drives one trained cell, unless that is done."""
        told = self.cell(row.name, seed) / f"evaluation-{starts}.json"
        if told.exists():
            return
        words = ["evaluate", str(self.run(row, seed)), "--episodes", str(starts), "--seed", "0", "--json"]
        words += ["--device", self.device, "--workers", str(self.workers)]
        said = command(*words, *row.evaluate)
        told.parent.mkdir(parents=True, exist_ok=True)
        write_whole(told, said.encode())

    def evaluations(self, row: Row, seeds: Sequence[int], starts: int) -> dict[int, Any]:
        """Seed -> what ``il-robot evaluate`` said, of the cells that are done."""
        files = {seed: self.cell(row.name, seed) / f"evaluation-{starts}.json" for seed in seeds}
        return {seed: json.loads(file.read_text()) for seed, file in files.items() if file.exists()}

    def machine(self, row: Row, seed: int) -> str:
        """What trained a cell, in words."""
        return (self.cell(row.trained, seed) / "trained").read_text(encoding="utf-8")

    def cpu_minutes(self, row: Row, seed: int) -> float:
        """CPU time of a cell's training; NaN when it logged none."""
        lines = [json.loads(line) for line in (self.run(row, seed) / "metrics.jsonl").read_text().splitlines()]
        return next((float(line["cpu_s"]) / 60 for line in reversed(lines) if "cpu_s" in line), math.nan)


def command(*words: str) -> str:
    """``il-robot WORDS`` on one thread; what it prints. Ends the benchmark with what it said when it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "il_robot.cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"il-robot {' '.join(words)}\nended with exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def _machine(device: str) -> str:
    """The processor in words; several trainings may share it."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} CPU cores ({models[0] if models else platform.machine()})"
