"""What a person sees while a network trains, and at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from il_robot.screen import for_screen
from il_robot.training.amounts import time_text
from il_robot.training.progress import Progress, Result
from il_robot.training.run_folder import weights_path


class _TimeLeft(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        return super().render(task).append(" left")


@contextmanager
def progress_bar(console: Console) -> Iterator[Bar]:
    """One line a task; what is written in it fits 80 columns, and the bar itself takes what is over."""
    whole = [Column(no_wrap=True) for _ in range(2)]
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(table_column=whole[0]))
    note, left = TextColumn("{task.fields[note]}"), _TimeLeft(table_column=whole[1])
    with Bar(*columns, note, left, console=console, expand=True) as bar:
        yield bar


def say(console: Console, line: str) -> None:
    """Above the bar; broken between words on a terminal, as it is in a pipe."""
    console.print(for_screen(line), soft_wrap=True, markup=False, highlight=False)


def note(progress: Progress) -> str:
    """Beside the bar."""
    if progress.saving:
        return f"loss {progress.loss:.3g}, looks and saves"
    digits = 1 if progress.steps_per_s < 100 else 0
    return f"loss {progress.loss:.3g}, {progress.steps_per_s:.{digits}f} steps/s, wait {progress.waiting:.0%}"


def sum_up(console: Console, result: Result, run: Path) -> None:
    """What a run came to. The loss is that of the newest line of its metrics, as in every table and figure."""
    told = ["no step was left to do" if math.isnan(result.loss) else f"loss {result.loss:.4f}"]
    if result.validation is not None:
        told.append(f"validation {result.validation:.4f}")
    if result.held is not None:
        told.append(f"held {result.held:.0%}")
    console.print(f"step {result.step}: {', '.join(told)}, {time_text(result.cpu_s)} of CPU time")
    console.print(f"policy: {weights_path(run, 'last')}", soft_wrap=True)
    if result.stopped:
        console.print("stopped and saved; the same command with --resume goes on", soft_wrap=True)
