"""Implementations of a policy on the same tensors, in turn, round after round: what ``train.py`` and ``inference.py``
share.

Each runs in a process of its own, ours too, with the same number of threads; who is not asked waits. A ratio is the
median over rounds of peer to us within a round, so that what else the machine does hits both.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from peer import Peer
from policy_side import Options, What
from rich.console import Console
from rich.table import Table

from il_robot.errors import Fault

US = "il-robot"
JOINTS, OBJECT = 14, 9
HERE = Path(__file__).parent
WARM_UP = 2


@dataclass(frozen=True)
class Case:
    """What everyone computes."""

    cameras: int
    height: int
    width: int
    batch: int
    chunk: int = 100
    objects: int = 0

    @property
    def title(self) -> str:
        seen = f"{self.cameras} x {self.height}x{self.width}" if self.cameras else "state"
        return f"{seen}, batch {self.batch}, chunk {self.chunk}"

    def write(self, path: Path) -> None:
        """A scene of random numbers, of which the last tenth of the actions is padding."""
        random = np.random.default_rng(0)
        pad_Bk = np.zeros((self.batch, self.chunk), bool)
        pad_Bk[:, self.chunk - self.chunk // 10 :] = True
        np.savez(
            path,
            state_BS=random.standard_normal((self.batch, JOINTS), np.float32),
            object_BX=random.standard_normal((self.batch, OBJECT * self.objects), np.float32),
            images_CBHWC=random.integers(0, 256, (self.cameras, self.batch, self.height, self.width, 3), np.uint8),
            action_BkJ=random.standard_normal((self.batch, self.chunk, JOINTS), np.float32),
            pad_Bk=pad_Bk,
        )


@dataclass(frozen=True)
class Peers:
    """Where the others are; None or empty: not measured."""

    lerobot_python: Path | None = None
    act_repository: Path | None = None
    published_layers: bool = False
    """The original once more with its seven decoder layers."""
    compiled: bool = False
    """Ours once more through torch.compile."""


@dataclass(frozen=True)
class Row:
    """What one implementation needed."""

    name: str
    parameters: int
    seconds: tuple[float, ...]
    """Of each round."""
    ratio: float
    """Its time over ours, compiled where that was asked for."""
    profile: Mapping[str, float]
    """Kind of work -> ms; empty where the profiler failed."""

    @property
    def ms(self) -> float:
        return float(np.median(self.seconds)) * 1e3


def contest(
    case: Case, options: Options, peers: Peers, what: What, rounds: int, limit_s: float
) -> tuple[list[Row], list[str]]:
    """Everyone's row, ours first, and what is to be said of those who have none."""
    with TemporaryDirectory(prefix="policies-") as folder:
        scene = Path(folder) / "scene.npz"
        case.write(scene)
        with _started(replace(options, scene=str(scene)), peers, Path(folder)) as sides:
            opened = {side.name: side.ask(limit_s, do="open") for side in sides}
            for _ in range(WARM_UP):
                for side in sides:
                    side.ask(limit_s, do="time", what=what)
            taken: dict[str, list[Any]] = {side.name: [] for side in sides}
            for _ in range(rounds):
                for side in sides:
                    taken[side.name].append(side.ask(limit_s, do="time", what=what))
            profiles = {side.name: side.ask(limit_s, do="profile", what=what) for side in sides if not side.out}
            ours = [side for side in sides if side.name.startswith(US)]
            for side in ours:
                if side.name not in profiles:
                    raise Fault(side.out)
            rows = []
            for side in sides:
                if side.name in profiles:
                    facts, seconds = opened[side.name], taken[side.name]
                    ratio = float(np.median(np.divide(seconds, taken[ours[-1].name])))
                    name = side.name if side in ours else facts["version"]
                    rows.append(Row(name, facts["parameters"], tuple(seconds), ratio, profiles[side.name] or {}))
            notes = [side.out for side in sides if side.out]
    return rows, notes + _absent(peers, options)


@contextmanager
def _started(options: Options, peers: Peers, folder: Path) -> Iterator[list[Peer]]:
    """One process each; ended with the ``with``."""
    ours, this = "policy_ours.py", Path(sys.executable)
    asked: list[tuple[str, Path, str, Options]] = [(US, this, ours, options)]
    if peers.compiled:
        asked.append((f"{US}, compiled", this, ours, replace(options, compile=True)))
    if peers.lerobot_python:
        asked.append(("LeRobot", peers.lerobot_python, "policy_lerobot.py", options))
    if peers.act_repository and options.network == "act":
        python = peers.lerobot_python or this
        known = replace(options, repository=str(peers.act_repository.resolve()))
        asked.append(("original ACT", python, "policy_original.py", known))
        if peers.published_layers:
            asked.append(("original ACT as published", python, "policy_original.py", replace(known, decoder_layers=7)))
    sides = []
    try:
        for number, (name, python, script, told) in enumerate(asked):
            path = folder / f"{number}.json"
            path.write_text(json.dumps(asdict(told)))
            sides.append(Peer(name, python, HERE / script, [str(path)]))
        yield sides
    finally:
        for side in sides:
            side.close()


def _absent(peers: Peers, options: Options) -> list[str]:
    notes = []
    if not peers.lerobot_python:
        notes.append("LeRobot was not measured: name an interpreter that has it with --lerobot-python.")
    if not peers.act_repository and options.network == "act":
        clone = "git clone https://github.com/tonyzhaozh/act"
        notes.append(f"The original ACT was not measured: {clone} and name the clone with --act-repo.")
    return notes


def show(title: str, rows: Sequence[Row], notes: Sequence[str], goal: float = 0.0, limit_ms: float = 0.0) -> None:
    """One table of times, one of where they go, and whether ``goal`` held against every peer and ours took at most
    ``limit_ms``; 0: neither is asked."""
    console = Console(width=120)
    ours = next(row for row in reversed(rows) if row.name.startswith(US))
    table = Table(title=f"{title}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", title_justify="left")
    table.add_column("implementation", no_wrap=True)
    for name in ("parameters", "ms, median", "least to most", f"x {ours.name}"):
        table.add_column(name, justify="right")
    for row in rows:
        span = f"{_ms(min(row.seconds) * 1e3)} to {_ms(max(row.seconds) * 1e3)}"
        table.add_row(row.name, f"{row.parameters / 1e6:.2f} M", _ms(row.ms), span, f"{row.ratio:.2f}")
    console.print(table)
    where = Table(title="Where the time goes, ms of one profiled run", title_justify="left")
    where.add_column("work")
    for row in rows:
        where.add_column(row.name, justify="right")
    kinds = {kind: max(row.profile.get(kind, 0.0) for row in rows) for row in rows for kind in row.profile}
    for kind in sorted(kinds, key=lambda kind: -kinds[kind]):
        where.add_row(kind, *(_ms(row.profile.get(kind, 0.0)) for row in rows))
    console.print(where)
    peers = [row for row in rows if not row.name.startswith(US)]
    for row in peers if goal else []:
        held = "holds" if row.ratio >= goal else "does NOT hold"
        console.print(f"Goal, {goal:g} x faster than {row.name}: {held} ({row.ratio:.2f} x)", highlight=False)
    if limit_ms:
        held = "holds" if ours.ms <= limit_ms else "does NOT hold"
        console.print(f"Goal, at most {limit_ms:g} ms: {held} ({ours.name}, {_ms(ours.ms)} ms)", highlight=False)
    for note in notes:
        console.print(note, highlight=False)


def _ms(ms: float) -> str:
    """With three digits."""
    return f"{ms:.{0 if ms >= 100 else 1 if ms >= 10 else 2}f}"
