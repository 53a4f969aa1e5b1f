"""The figures of a report on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from il_robot.counted import counted
from il_robot.report.summary import Headline, Summary, headlines

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: (" ", "dim")}


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """One line per headline figure, what could not be read, and where the page is."""
    console = console or Console()
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", style="bold")
    table.add_column(style="dim")
    for headline in (*headlines(summary), *_training(summary)):
        mark, style = _MARKS[headline.good]
        table.add_row(Text(mark, style), Text(headline.label), Text(headline.value), Text(headline.note))
    console.print(table)
    for problem in summary.problems:
        console.print(Text(f"left out: {problem}", "red"), soft_wrap=True)
    console.print(Text(f"report: {summary.out}"), soft_wrap=True)


def _training(summary: Summary) -> tuple[Headline, ...]:
    training = summary.training
    if training is None:
        return (Headline("training", "n/a", "no training run", None),)
    loss = "" if training.loss is None else f"loss {training.loss:.3g}, "
    cpu = "" if training.cpu_s is None else f", {training.cpu_s / 60:.1f} CPU minutes"
    note = f"{loss}{training.steps:,} steps on {counted(training.episodes, 'episode')}{cpu}"
    return (Headline("training", training.policy, note, None),)
