"""Runs that differ only in the seed, summed up: each figure with a 95 % interval.

Of a loss and of CPU time it is Student's interval of the mean over the seeds: of how a new seed does on average. Of
the held share it is Wilson's over the starts of all seeds taken together, as ``il-robot evaluate`` has it: it tells how
far so few starts may mislead, not how far seeds differ, which every seed's own line above shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cattrs
from rich.console import Console

from il_robot.training.amounts import loss_interval_text, share_text, time_interval_text
from il_robot.training.intervals import mean_of, share
from il_robot.training.named_rows import NamedRow, print_rows
from il_robot.training.run_facts import Run

MEASURED = ("loss", "validation", "cpu_s")
SHOWN_SEEDS = 5
"""More are counted."""


def summed_up(found: Sequence[Run], odd: Mapping[Path, str]) -> list[dict[str, Any]]:
    """A group of runs each: plain data. ``odd``: run -> the settings that it does not share with most."""
    return [_of(group, odd) for group in by_setting(found) if len({run.seed for run in group}) > 1]


def by_setting(found: Sequence[Run]) -> list[list[Run]]:
    """Runs that differ in the seed at most, together."""
    groups: dict[str, list[Run]] = {}
    for run in found:
        groups.setdefault(json.dumps(run.settings, sort_keys=True), []).append(run)
    return list(groups.values())


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


def print_seeds(console: Console, groups: Sequence[Mapping[str, Any]]) -> None:
    """A line for each group, and what its intervals are."""
    headings = ("seeds", "loss", "validation", "held", "CPU time")
    rows = [NamedRow(group["policy"], group["differs"], _figures(group)) for group in groups]
    print_rows(console, "over seeds, with 95 % intervals", "policy", "differs", headings, rows)
    console.print("±: of the mean over the seeds (Student's t)", highlight=False)
    if any("held" in group for group in groups):
        console.print("held: over the starts of all seeds together (Wilson)", highlight=False)


def _figures(group: Mapping[str, Any]) -> list[str]:
    cells = {}
    for name in MEASURED:
        if name in group:
            mean, half = group[name]["mean"], group[name]["high"] - group[name]["mean"]
            cells[name] = time_interval_text(mean, half) if name == "cpu_s" else loss_interval_text(mean, half)
    if "held" in group:
        rate, low, high = (share_text(group["held"][part]) for part in ("rate", "low", "high"))
        cells["held"] = f"{rate} ({low} to {high})"
    seeds = group["seeds"]
    told = " ".join(map(str, seeds)) if len(seeds) <= SHOWN_SEEDS else f"{len(seeds)} seeds"
    return [told, *(cells.get(name, "") for name in ("loss", "validation", "held", "cpu_s"))]
