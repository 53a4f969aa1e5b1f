"""The comparison of the lecture (ACT's paper, table 1), on the simulated rig: every policy, same data, same starts.

50 scripted demonstrations of transfer cube, timed or human-like; each row is trained on each seed and driven from
the same 50 fresh starts. What is done is kept in --out, one folder a cell: a run that was stopped goes on, and only
what is missing is computed. All of it is done by the commands a user would type.

    python benchmarks/lecture_table.py --out lecture --styles timed human --seeds 0 1 2 --write docs/results.md
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from il_robot.training.evaluation import share

MILESTONES = ("touch", "lift", "transfer")


@dataclass(frozen=True)
class Row:
    """A policy, how it is trained and how its chunks are followed."""

    name: str
    policy: str
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    trained_as: str = ""
    """The row whose training this one shares; empty: its own."""


ROWS = (
    Row("MLP, one action", "bc", ("--chunk-size", "1")),
    Row("MLP, chunks of 50", "bc"),
    Row("BeT", "bet"),
    Row("VINN", "vinn"),
    Row("RT-1 bins", "bins"),
    Row("ACT", "act"),
    Row("ACT, no ensembling", "act", evaluate=("--execution", "chunk"), trained_as="ACT"),
    Row("ACT, one action", "act", ("--chunk-size", "1")),
    Row("ACT, chunks of 10", "act", ("--chunk-size", "10")),
    Row("ACT, chunks of 25", "act", ("--chunk-size", "25")),
    Row("ACT, chunks of 100", "act", ("--chunk-size", "100")),
    Row("VAE", "vae"),
    Row("GMM", "gmm"),
    Row("diffusion", "diffusion"),
    Row("flow", "flow"),
)


@dataclass(frozen=True)
class Table:
    """One table: a style of demonstrations, and what the policies see."""

    out: Path
    style: str
    observation: str
    demonstrations: int

    @property
    def preset(self) -> str:
        return {"state": "tiny", "image": "tiny-image"}[self.observation]

    @property
    def dataset(self) -> Path:
        return self.out / f"{self.style}-{self.observation}" / "demonstrations"

    def cell(self, row: str, seed: int) -> Path:
        return self.out / f"{self.style}-{self.observation}" / row.replace(", ", "-").replace(" ", "-") / str(seed)

    def collect(self) -> None:
        if not self.dataset.exists():
            cameras = ("--cameras", *(("cam_high",) if self.observation == "image" else ()))
            asked = ("--episodes", str(self.demonstrations), "--style", self.style, "--seed", "0")
            command("sim", "collect", "--out", str(self.dataset), *asked, *cameras)

    def train(self, row: Row, seed: int) -> None:
        """Trains and evaluates one cell, as far as that is not done."""
        run, done = self.cell(row.name, seed) / "run", self.cell(row.name, seed) / "trained"
        if done.exists() or row.trained_as:
            return
        words = ["train", row.policy, str(self.dataset), "--out", str(run), "--preset", self.preset, *row.train]
        command(*words, *(("--resume",) if (run / "config.json").exists() else ("--seed", str(seed))))
        done.touch()

    def evaluate(self, row: Row, seed: int, starts: int) -> None:
        told = self.cell(row.name, seed) / f"evaluation-{starts}.json"
        run = self.cell(row.trained_as or row.name, seed) / "run"
        if told.exists() or not (run / "config.json").exists():
            return
        said = command("evaluate", str(run), "--episodes", str(starts), "--seed", "0", "--json", *row.evaluate)
        told.parent.mkdir(parents=True, exist_ok=True)
        part = told.with_suffix(".part")
        part.write_text(said)
        part.replace(told)


def command(*words: str) -> str:
    """``il-robot WORDS`` on one thread; what it prints. Ends the benchmark with what it said when it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "il_robot.cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"il-robot {' '.join(words)}\nended with exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def cpu_minutes(run: Path) -> float:
    """CPU time of a training run; NaN when it logged none."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return next((float(line["cpu_s"]) / 60 for line in reversed(lines) if "cpu_s" in line), math.nan)


def lines_of(table: Table, rows: Sequence[Row], seeds: Sequence[int], starts: int) -> Iterator[str]:
    """The table in Markdown: shares over all seeds and starts, with their 95 % interval where it matters most."""
    yield f"### {table.style} demonstrations, {table.observation}\n"
    yield "| policy | touch | lift | transfer | held | held, per seed | CPU minutes of training |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        files = [table.cell(row.name, seed) / f"evaluation-{starts}.json" for seed in seeds]
        told = [json.loads(file.read_text()) for file in files if file.exists()]
        if not told:
            continue
        of = sum(one["held"]["of"] for one in told)
        reached = [sum(one["milestones"][name]["count"] for one in told) / of for name in MILESTONES]
        held = share(sum(one["held"]["count"] for one in told), of)
        per_seed = ", ".join(f"{one['held']['rate']:.0%}" for one in told)
        minutes = [cpu_minutes(table.cell(row.trained_as or row.name, seed) / "run") for seed in seeds[: len(told)]]
        yield (
            f"| {row.name} | {' | '.join(f'{part:.0%}' for part in reached)} "
            f"| **{held.rate:.0%}** ({held.low:.0%} to {held.high:.0%}) | {per_seed} "
            f"| {sum(minutes) / len(minutes):.1f} |"
        )
    yield ""


def fill(table: Table, rows: Sequence[Row], seeds: Sequence[int], starts: int, jobs: int) -> None:
    """Computes every cell that is missing, ``jobs`` at a time."""
    table.collect()
    cells = [(row, seed) for seed in seeds for row in rows]
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar, ThreadPoolExecutor(jobs) as pool:
        for what, work in (("train", table.train), ("evaluate", lambda row, seed: table.evaluate(row, seed, starts))):
            task = bar.add_task(f"{table.style}, {table.observation}: {what}", total=len(cells))
            for _ in pool.map(lambda cell, work=work: work(*cell), cells):
                bar.advance(task)


def main() -> None:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for data, runs and evaluations")
    parser.add_argument("--write", type=Path, help="append the tables to this Markdown file")
    parser.add_argument("--styles", nargs="+", choices=("timed", "human", "closed_loop"), default=["timed", "human"])
    parser.add_argument("--observations", nargs="+", choices=("state", "image"), default=["state"])
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="ROW", help=", ".join(names))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--demonstrations", type=int, default=50)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    rows = [row for row in ROWS if row.name in given.rows]
    text: list[str] = []
    for style in given.styles:
        for observation in given.observations:
            table = Table(given.out, style, observation, given.demonstrations)
            fill(table, rows, given.seeds, given.starts, given.jobs)
            text += lines_of(table, rows, given.seeds, given.starts)
    print("\n".join(text))
    if given.write:
        with given.write.open("a", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
