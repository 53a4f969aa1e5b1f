"""Runs that differ only in the seed, summed up: each figure with a 95 % interval.

Of a loss and of CPU time it is Student's interval of the mean over the seeds: of how a new seed does on average. Of
the held share it is Wilson's over the starts of all seeds taken together, as ``il-robot evaluate`` has it: it tells how
far so few starts may mislead, not how far seeds differ, which every seed's own line above shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cattrs
from rich.table import Table

from il_robot.training.intervals import mean_of, share
from il_robot.training.run_facts import Run

MEASURED = ("loss", "validation", "cpu_s")


def summed_up(found: Sequence[Run], odd: Mapping[Path, str]) -> list[dict[str, Any]]:
    """A group of runs each: plain data. ``odd``: run -> the settings that it does not share with most."""
    groups: dict[str, list[Run]] = {}
    for run in found:
        groups.setdefault(json.dumps(run.settings, sort_keys=True), []).append(run)
    return [_of(group, odd) for group in groups.values() if len({run.seed for run in group}) > 1]


def _of(group: Sequence[Run], odd: Mapping[Path, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "policy": group[0].policy,
        "differs": odd.get(group[0].path, ""),
        "runs": [str(run.path) for run in group],
        "seeds": [run.seed for run in group],
    }
    for name in MEASURED:
        values = [value for run in group if (value := getattr(run, name)) is not None]
        if len(values) > 1:
            told[name] = cattrs.unstructure(mean_of(values))
    driven = [(run.held, run.starts) for run in group if run.held is not None and run.starts]
    if len(driven) > 1:
        held = share(sum(round(rate * starts) for rate, starts in driven), sum(starts for _, starts in driven))
        told["held"] = {**cattrs.unstructure(held), "rate": held.rate}
    return told


def seeds_table(groups: Sequence[Mapping[str, Any]], said: Callable[[str, float | None], str]) -> Table:
    """``said`` writes a figure of a name."""
    table = Table(
        title="over seeds, with 95 % intervals",
        caption="±: of the mean over the seeds (Student's t); held: over the starts of all seeds together (Wilson)",
    )
    for heading in ("policy", "differs", "seeds"):
        table.add_column(heading)
    for heading in ("loss", "validation", "held", "CPU s"):
        table.add_column(heading, justify="right")
    for group in groups:
        cells = {
            name: f"{said(name, group[name]['mean'])} ± {said(name, group[name]['high'] - group[name]['mean'])}"
            for name in MEASURED
            if name in group
        }
        if "held" in group:
            rate, low, high = (said("held", group["held"][part]) for part in ("rate", "low", "high"))
            cells["held"] = f"{rate} ({low} to {high})"
        told = [cells.get(name, "") for name in ("loss", "validation", "held", "cpu_s")]
        table.add_row(group["policy"], group["differs"], " ".join(map(str, group["seeds"])), *told)
    return table
