"""What the cells of the lecture's table came to, kept in one file beside the table: machines and days add to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mujoco
from lecture_cells import DEMONSTRATIONS, OBSERVATIONS, PRESET_NAMES, ROWS, STYLES, Condition, Row, Table

from il_robot.training.description import read_description
from il_robot.training.intervals import Share, share
from il_robot.training.presets import PRESETS
from il_robot.whole_file import write_whole


@dataclass(frozen=True)
class Outcome:
    """What one seed of a row came to in simulation, or several seeds together."""

    style: str
    observation: str
    row: str
    seeds: tuple[int, ...]
    starts: int
    """That each seed was driven from."""
    touch: int
    lift: int
    transfer: int
    """Starts in which it was reached at any time, of all seeds."""
    held: tuple[int, ...]
    """Starts in which the cube was held at the end, of each seed."""
    cpu_minutes: float
    """Of one training's process, mean over the seeds."""
    commit: str
    """That trained."""
    software: str
    machine: str
    rounded: bool = False
    """touch, lift and transfer were read from a table's percentages: exact to one start."""

    def reached(self, milestone: str) -> int:
        """touch, lift, transfer, or held (at the end)."""
        return {"touch": self.touch, "lift": self.lift, "transfer": self.transfer, "held": sum(self.held)}[milestone]


@dataclass(frozen=True)
class Result:
    """A row of a table, over the seeds that are done."""

    row: Row
    outcomes: Sequence[Outcome]

    def reached(self, milestone: str) -> Share:
        """touch, lift, transfer, or held (at the end)."""
        starts = sum(one.starts * len(one.seeds) for one in self.outcomes)
        return share(sum(one.reached(milestone) for one in self.outcomes), starts)

    @property
    def held_per_seed(self) -> list[float]:
        """Shares, by seed."""
        held = {s: count / one.starts for one in self.outcomes for s, count in zip(one.seeds, one.held, strict=True)}
        return [held[seed] for seed in sorted(held)]

    @property
    def cpu_minutes(self) -> float:
        total = sum(one.cpu_minutes * len(one.seeds) for one in self.outcomes)
        return total / sum(len(one.seeds) for one in self.outcomes)


def read_outcomes(file: Path) -> list[Outcome]:
    """Of a file of JSON lines; none where there is none yet."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    told: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [Outcome(**{**one, "seeds": tuple(one["seeds"]), "held": tuple(one["held"])}) for one in told]


def write_outcomes(file: Path, outcomes: Iterable[Outcome]) -> None:
    write_whole(file, "".join(json.dumps(asdict(one)) + "\n" for one in _in_order(outcomes)).encode())


def added(kept: Sequence[Outcome], new: Iterable[Outcome]) -> list[Outcome]:
    """``kept``, and of ``new`` the seeds that it does not tell of. To tell of a seed anew, its line is taken out."""
    known = {(one.style, one.observation, one.row, seed) for one in kept for seed in one.seeds}
    return [*kept, *(one for one in new if not any((*_place(one), seed) in known for seed in one.seeds))]


def computed(
    out: Path, seeds: Sequence[int], starts: int, demonstrations: int = DEMONSTRATIONS, steps: int | None = None
) -> Iterator[Outcome]:
    """Of the cells below ``out`` that are done, with so many demonstrations and training steps (None: the preset's).

    A trial may have left others there.
    """
    for table in (Table(out, style, observation) for observation in OBSERVATIONS for style in STYLES):
        for row in ROWS:
            for seed, told in table.evaluations(row, seeds, starts).items():
                reached = {name: told["milestones"][name]["count"] for name in ("touch", "lift", "transfer")}
                run = read_description(table.run(row, seed))
                as_asked = steps or PRESETS[row.policy, PRESET_NAMES[table.observation]].recipe.steps
                if (len(run.data.train) + len(run.data.validation), run.recipe.steps) != (demonstrations, as_asked):
                    continue
                by = run.software
                yield Outcome(
                    *(table.style, table.observation, row.name, (seed,), starts),
                    **reached,
                    held=(told["held"]["count"],),
                    cpu_minutes=round(table.cpu_minutes(row, seed), 2),
                    commit=by.commit or "unknown",
                    software=f"Python {by.python}, torch {by.torch}, MuJoCo {mujoco.__version__}",
                    machine=table.machine(row, seed),
                )


def by_condition(outcomes: Sequence[Outcome]) -> dict[Condition, list[Result]]:
    """What a table is about -> its rows, in the order of the styles, observations and rows."""
    tables: dict[Condition, list[Result]] = {}
    rows = {row.name: row for row in ROWS}
    grouped: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in _in_order(outcomes):
        grouped.setdefault(_place(one), []).append(one)
    for (style, observation, row), told in grouped.items():
        tables.setdefault(Condition(style, observation), []).append(Result(rows[row], told))
    return tables


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    rows = [row.name for row in ROWS]
    observations, styles = list(OBSERVATIONS), list(STYLES)

    def order(one: Outcome) -> tuple[int, int, int, int]:
        return (observations.index(one.observation), styles.index(one.style), rows.index(one.row), one.seeds[0])

    return sorted(outcomes, key=order)


def _place(one: Outcome) -> tuple[str, str, str]:
    return one.style, one.observation, one.row
