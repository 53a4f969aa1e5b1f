"""All rows of the lecture's table in one picture, beside the lecture's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lecture_cells import ROWS, Condition
from lecture_results import Result
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

LECTURE: dict[str, tuple[int, int | None]] = {
    "MLP, one action": (1, 0),
    "BeT": (27, 1),
    "VINN": (3, 0),
    "RT-1 bins": (2, 0),
    "ACT": (86, 50),
    "ACT, one action": (0, None),
}
"""Transfer in percent from scripted (beside timed) and from human demonstrations: Zhao et al. 2023, table 1, which the
lecture shows; without chunks as the lecture says it."""
COLOURS = {"transfer": "#2a6fb0", "held": "#d9822b"}


def lecture(condition: Condition, row: str) -> int | None:
    """What the lecture says for this row of such a table, in percent."""
    figures = LECTURE.get(row)
    return None if figures is None or condition.style == "closed_loop" else figures[condition.style == "human"]


def draw(tables: Mapping[Condition, Sequence[Result]], file: Path) -> None:
    """Transfer and held with their intervals: a panel for each table, a line for each row that any of them has."""
    found = {one.row.name for results in tables.values() for one in results}
    places = {name: place for place, name in enumerate(row.name for row in ROWS if row.name in found)}
    columns = max(1, len(tables))
    figure = Figure(figsize=(1.6 + 2.8 * columns, 1.2 + 0.34 * len(places)), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
    for axes, (condition, results) in zip(panels, tables.items(), strict=False):
        _panel(axes, condition, results, places)
    panels[0].set_yticks(range(len(places)), list(places), fontsize=8)
    panels[0].set_ylim(len(places) - 0.5, -0.5)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    figure.savefig(file, dpi=120)


def _panel(axes: Axes, condition: Condition, results: Sequence[Result], places: Mapping[str, int]) -> None:
    for offset, what in ((-0.14, "transfer"), (0.14, "held")):
        shares = [one.reached(what) for one in results]
        heights = [places[one.row.name] + offset for one in results]
        spread = [[one.rate - one.low for one in shares], [one.high - one.rate for one in shares]]
        rates = [one.rate for one in shares]
        axes.errorbar(rates, heights, xerr=spread, fmt="o", ms=4, lw=1.3, color=COLOURS[what], label=what)
    told = [(places[one.row.name], lecture(condition, one.row.name)) for one in results]
    known = [(percent / 100, place) for place, percent in told if percent is not None]
    axes.plot(
        [share for share, _ in known],
        [place for _, place in known],
        "D",
        mfc="none",
        mec="black",
        ms=5,
        label="transfer in the lecture, from images",
    )
    axes.set_xlim(-0.03, 1.03)
    axes.set_title(str(condition), fontsize=10)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(alpha=0.3)
