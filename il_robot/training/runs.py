"""``il-robot runs``: training runs side by side: what they came to, and in what they differ."""

from __future__ import annotations

import json as json_text
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import cattrs
import tyro
from rich.console import Console
from rich.table import Table

from il_robot.errors import BadInput
from il_robot.training.curves import draw_curves
from il_robot.training.description import CONFIG, Description, read_description
from il_robot.training.journal import read_metrics
from il_robot.training.settings import settings_of, short_names, written

DEEPEST = 3
"""How far below a named folder runs are looked for."""
FIGURES = ("loss", "validation", "held", "cpu_s")


@dataclass(frozen=True)
class Run:
    """One run, and what its metrics say."""

    path: Path
    policy: str
    seed: int
    step: int
    """Steps done."""
    steps: int
    loss: float | None
    """Of the newest line of its metrics, as training printed it."""
    validation: float | None
    held: float | None
    """Share of simulated starts held, where training looked."""
    cpu_s: float | None
    settings: dict[str, Any]
    """Every setting but the seed, by its dotted name."""


def runs(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    json: bool = False,
    picture: Path | None = None,
) -> int:
    """Lists training runs and compares them: losses, held share, CPU time, and the settings in which they differ.

    Runs that differ only in the seed are summed up below: mean and standard deviation.

    Examples:
        il-robot runs runs
        il-robot runs runs/act runs/bc --picture curves.png
        il-robot runs runs --json

    Args:
        folders: Runs, or folders that hold some.
        json: Print JSON instead of a table.
        picture: Draw the runs' loss curves into this .png file.
    """
    return compare(folders, json=json, picture=picture)


def compare(folders: Sequence[Path], *, json: bool = False, picture: Path | None = None) -> int:
    """What :func:`runs` does. Raises BadInput when there is no run in ``folders``, or one is damaged."""
    found = [read_run(path) for path in find_runs(folders)]
    odd = _odd(found)
    seeds = _of_seeds(found, odd)
    if json:
        listed = [{**cattrs.unstructure(run), "path": str(run.path)} for run in found]
        print(json_text.dumps({"runs": listed, "seeds": seeds}))
    else:
        console = Console()
        console.print(_table(found))
        for path, told in odd.items():
            console.print(f"{path} differs: {told}", soft_wrap=True, highlight=False)
        if seeds:
            console.print(_seeds_table(seeds))
    if picture is not None:
        draw_curves({str(run.path): read_metrics(run.path) for run in found}, picture)
        if not json:
            print(f"curves: {picture}")
    return 0


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The runs in ``folders``, each once, in order. Raises BadInput for a folder without one."""
    found: dict[Path, Path] = {}
    for folder in folders or (Path("runs"),):
        if not folder.is_dir():
            raise BadInput(f"{folder}: no such folder")
        below = sorted(_below(folder, DEEPEST))
        if not below:
            raise BadInput(f"{folder}: holds no training run (a folder with {CONFIG})")
        found |= {path.resolve(): path for path in below}
    return list(found.values())


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / CONFIG).is_file():
        yield folder
    elif depth:
        for path in folder.iterdir():
            if path.is_dir() and path.suffix != ".zarr":
                yield from _below(path, depth - 1)


def read_run(path: Path) -> Run:
    """The run in ``path``. Raises BadInput when it is damaged."""
    description, lines = read_description(path), read_metrics(path)

    def newest(key: str) -> float | None:
        return next((float(line[key]) for line in reversed(lines) if key in line), None)

    return Run(
        path=path,
        policy=description.policy,
        seed=description.seed,
        step=max((line["step"] + ("loss" in line) for line in lines), default=0),
        steps=description.recipe.steps,
        loss=newest("loss"),
        validation=newest("validation"),
        held=newest("held"),
        cpu_s=newest("cpu_s"),
        settings=_settings(description),
    )


def _settings(description: Description) -> dict[str, Any]:
    return {
        "policy": description.policy,
        **settings_of(description.network, description.recipe),
        "cameras": " ".join(f"{c.name} {c.height}x{c.width}" for c in description.inputs.cameras),
        "objects": " ".join(description.inputs.objects),
        "history": description.inputs.history,
        "datasets": " ".join(description.data.datasets),
        "weights": " ".join(f"{weight:g}" for weight in description.data.weights),
        "episodes": len(description.data.train),
    }


def _odd(found: Sequence[Run]) -> dict[Path, str]:
    """Run -> the settings in which it differs from what most runs of its policy have, or, where more than half have
    no one value, its own; runs without such settings are left out."""
    odd: dict[Path, str] = {}
    for policy in dict.fromkeys(run.policy for run in found):
        group = [run for run in found if run.policy == policy]
        names = short_names(group[0].settings)
        usual = {name: _usual([str(run.settings.get(name)) for run in group]) for name in names}
        for run in group:
            told = [
                f"{names.get(name, name)} {written(value) or 'none'}"
                for name, value in run.settings.items()
                if str(value) != usual.get(name)
            ]
            if told:
                odd[run.path] = ", ".join(told)
    return odd


def _usual(values: Sequence[str]) -> str | None:
    value, count = Counter(values).most_common(1)[0]
    return value if 2 * count > len(values) else None


def _table(found: Sequence[Run]) -> Table:
    table = Table(title=f"{len(found)} runs")
    table.add_column("run", overflow="fold")
    for heading in ("policy", "seed", "steps", "loss", "valid.", "held", "CPU s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in found:
        steps = f"{run.step}" if run.step >= run.steps else f"{run.step} of {run.steps}"
        figures = [_said(name, getattr(run, name)) for name in FIGURES]
        table.add_row(str(run.path), run.policy, str(run.seed), steps, *figures)
    return table


def _said(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return {"held": f"{value:.0%}", "cpu_s": f"{value:.0f}"}.get(name, f"{value:.4g}")


def _of_seeds(found: Sequence[Run], odd: Mapping[Path, str]) -> list[dict[str, Any]]:
    """Runs that differ only in the seed: mean and standard deviation of each figure."""
    groups: dict[str, list[Run]] = {}
    for run in found:
        groups.setdefault(json_text.dumps(run.settings, sort_keys=True), []).append(run)
    summed = []
    for group in groups.values():
        if len({run.seed for run in group}) < 2:
            continue
        figures = {name: [v for run in group if (v := getattr(run, name)) is not None] for name in FIGURES}
        summed.append(
            {
                "policy": group[0].policy,
                "differs": odd.get(group[0].path, ""),
                "runs": [str(run.path) for run in group],
                "seeds": [run.seed for run in group],
                **{
                    name: {"mean": mean(values), "deviation": stdev(values)}
                    for name, values in figures.items()
                    if len(values) > 1
                },
            }
        )
    return summed


def _seeds_table(seeds: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="over seeds: mean ± standard deviation")
    for heading in ("policy", "differs", "seeds"):
        table.add_column(heading)
    for heading in ("loss", "validation", "held", "CPU s"):
        table.add_column(heading, justify="right")
    for group in seeds:
        told = [
            f"{_said(name, group[name]['mean'])} ± {_said(name, group[name]['deviation'])}" if name in group else ""
            for name in FIGURES
        ]
        table.add_row(group["policy"], group["differs"], " ".join(map(str, group["seeds"])), *told)
    return table
