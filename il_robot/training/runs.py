"""``il-robot runs``: training runs side by side: what they came to, and in what they differ."""

from __future__ import annotations

import json as json_text
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cattrs
import tyro
from rich.console import Console

from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.training.amounts import loss_text, share_text, time_text
from il_robot.training.curves import Curve, check_picture, draw_curves
from il_robot.training.journal import read_metrics
from il_robot.training.named_rows import NamedRow, print_rows
from il_robot.training.over_seeds import by_setting, print_seeds, summed_up
from il_robot.training.run_facts import Run, read_run
from il_robot.training.run_folder import CONFIG, runs_below
from il_robot.training.settings import short_names, written

LONGEST_NAME = 60
"""In a legend."""


def runs(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    json: bool = False,
    picture: Path | None = None,
) -> int:
    """Lists training runs and compares them: losses, held share, CPU time, and the settings in which they differ.

    Runs that differ only in the seed are summed up below, with 95 % intervals: ± is Student's of the mean over the
    seeds; that of held is Wilson's over the starts of all seeds together, which tells how far so few starts may
    mislead, not how far seeds differ. --json has the standard deviation over the seeds, too. A damaged run is named
    and left out; the command then ends with 1.

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
    """What :func:`runs` does; 1 when a run is damaged.

    Raises BadInput when there is none in ``folders``, or ``picture`` cannot be drawn.
    """
    if picture is not None:
        check_picture(picture)
    found, damaged = [], []
    for path in find_runs(folders):
        try:
            found.append(read_run(path))
        except BadInput as error:
            damaged.append(str(error))
    odd = _odd(found)
    seeds = summed_up(found, odd)
    if json:
        listed = [{**cattrs.unstructure(run), "path": str(run.path)} for run in found]
        print(json_text.dumps({"runs": listed, "seeds": seeds}))
    else:
        console = Console()
        if found:
            _print_runs(console, found, odd)
        if seeds:
            console.print()
            print_seeds(console, seeds)
    if picture is not None and found:
        draw_curves(_curves(found, odd), picture)
        if not json:
            print(f"curves: {picture}")
    for told in damaged:
        print(f"error: {told}", file=sys.stderr)
    return 1 if damaged else 0


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The runs in ``folders``, each once, in order. Raises BadInput for a folder without one."""
    found: dict[Path, Path] = {}
    for folder in folders or (Path("runs"),):
        if not folder.is_dir():
            raise BadInput(f"{folder}: no such folder")
        below = sorted(runs_below(folder))
        if not below:
            raise BadInput(f"{folder}: holds no training run (a folder with {CONFIG})")
        found |= {path.resolve(): path for path in below}
    return list(found.values())


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


def _print_runs(console: Console, found: Sequence[Run], odd: Mapping[Path, str]) -> None:
    headings = ("policy", "seed", "steps", "loss", "validation", "held", "CPU time")
    rows = [NamedRow(str(run.path), odd.get(run.path, ""), _figures(run)) for run in found]
    print_rows(console, counted(len(found), "run"), "run", "differs", headings, rows)


def _figures(run: Run) -> list[str]:
    steps = f"{run.step}" if run.step >= run.steps else f"{run.step} of {run.steps}"
    losses = ["" if value is None else loss_text(value) for value in (run.loss, run.validation)]
    held = "" if run.held is None else share_text(run.held)
    cpu = "" if run.cpu_s is None else time_text(run.cpu_s)
    return [run.policy, str(run.seed), steps, *losses, held, cpu]


def _curves(found: Sequence[Run], odd: Mapping[Path, str]) -> list[Curve]:
    """A curve for each run; those that differ only in the seed have one name."""
    curves = []
    for group in by_setting(found):
        for run in group:
            curves.append(Curve(_name(run, group, odd.get(run.path, "")), run.policy, read_metrics(run.path)))
    return curves


def _name(run: Run, group: Sequence[Run], told: str) -> str:
    """In the legend: the run's path, or the settings that it shares with the other seeds of its group."""
    seeds = {other.seed for other in group}
    if len(seeds) < 2 or len(seeds) < len(group):  # with a seed twice, it is not the seeds that are compared
        return str(run.path)
    name = f"{run.policy}, {told}" if told else run.policy
    return f"{name if len(name) <= LONGEST_NAME else group[0].path} ({len(seeds)} seeds)"
