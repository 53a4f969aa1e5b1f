"""What a person sees while a network trains, and at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from il_robot.training.checkpoint import weights_path
from il_robot.training.loop import Progress, Result


@contextmanager
def progress_bar(console: Console) -> Iterator[Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn())
    with Bar(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=console) as bar:
        yield bar


def note(progress: Progress) -> str:
    """Beside the bar."""
    return f"loss {progress.loss:.4f}  {progress.steps_per_s:.1f} steps/s  data wait {progress.waiting:.0%}"


def sum_up(console: Console, result: Result, run: Path) -> None:
    """What a run came to. The loss is that of the newest line of its metrics, as in every table and figure."""
    told = ["no step was left to do" if math.isnan(result.loss) else f"loss {result.loss:.4f}"]
    if result.validation is not None:
        told.append(f"validation {result.validation:.4f}")
    if result.held is not None:
        told.append(f"held {result.held:.0%}")
    console.print(f"step {result.step}: {', '.join(told)}, {result.cpu_s:.0f} s of CPU")
    console.print(f"policy: {weights_path(run, 'last')}", soft_wrap=True)
    if result.stopped:
        console.print("stopped and saved; the same command with --resume goes on", soft_wrap=True)
