"""``il-robot runs``: training runs side by side: what they came to, and in what they differ."""

from __future__ import annotations

import json as json_text
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cattrs
import tyro
from rich.console import Console
from rich.table import Table

from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.training.curves import check_picture, draw_curves
from il_robot.training.journal import read_metrics
from il_robot.training.over_seeds import seeds_table, summed_up
from il_robot.training.run_facts import Run, read_run
from il_robot.training.run_folder import CONFIG, runs_below
from il_robot.training.settings import short_names, written

FIGURES = ("loss", "validation", "held", "cpu_s")


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
        console.print(_table(found))
        for path, told in odd.items():
            console.print(f"{path} differs: {told}", soft_wrap=True, highlight=False)
        if seeds:
            console.print(seeds_table(seeds, _said))
    if picture is not None:
        draw_curves({str(run.path): read_metrics(run.path) for run in found}, picture)
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


def _table(found: Sequence[Run]) -> Table:
    table = Table(title=counted(len(found), "run"))
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
