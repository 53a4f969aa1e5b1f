"""How a dataset command answers: a line for people or one JSON object for scripts, and a progress bar meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

AsJson = Annotated[bool, tyro.conf.arg(name="json")]

_Item = TypeVar("_Item")


def answer(as_json: bool, data: Mapping[str, Any] | Sequence[Any], text: str) -> None:
    """Print ``data`` as JSON if asked for, else ``text``."""
    print(json.dumps(data, indent=1, default=str) if as_json else text)


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """A line for each episode that was left out, folder -> reason, which may begin with the folder, too."""
    return [
        f"left out: {folder}: {why.removeprefix(f'{folder}: ').removeprefix(f'{folder}/')}"
        for folder, why in left_out.items()
    ]


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Drawn on the error stream, so that the output can be piped; call what it gives after each episode."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        row = progress.add_task(what, total=total)
        yield lambda: progress.advance(row)


def tracked(items: Sequence[_Item], what: str) -> Iterable[_Item]:
    """The same items one by one, with a progress bar."""
    with progress_bar(what, len(items)) as advance:
        for item in items:
            yield item
            advance()
