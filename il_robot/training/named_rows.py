"""A table whose rows have names that must stay whole, such as paths that are copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

_NOTE = 24
"""A note beside the figures is broken between words into lines of so many columns at least."""


@dataclass(frozen=True)
class NamedRow:
    name: str
    note: str
    """What else is to be said of it."""
    figures: Sequence[str]
    """Empty where there is none."""


def print_rows(
    console: Console, title: str, named: str, noted: str, headings: Sequence[str], rows: Sequence[NamedRow]
) -> None:
    """Each row on one line where ``console`` is wide enough; else its name and note on a line above its figures.

    ``named`` and ``noted`` are the headings of those two. A column without any figure is left out.
    """
    kept = [number for number in range(len(headings)) if any(row.figures[number] for row in rows)]
    headings = [headings[number] for number in kept]
    rows = [NamedRow(row.name, row.note, [row.figures[number] for number in kept]) for row in rows]
    console.print(Text(title, "bold"), soft_wrap=True)
    wide = _beside(named, noted, headings, rows)
    room = console.options.update(width=10_000)
    if console.measure(wide, options=room).minimum <= console.width:
        console.print(wide)
        return
    heading, *lines = console.render_lines(_figures(headings, rows), room, pad=False)
    console.print(Segments([*heading, Segment.line()]), end="", crop=False)  # figures cut off would be other figures
    for row, line in zip(rows, lines, strict=True):
        note = f"  {noted}: {row.note}" if row.note else ""
        console.print(Text.assemble((row.name, "bold"), note), soft_wrap=True)
        console.print(Segments([*line, Segment.line()]), end="", crop=False)


def _beside(named: str, noted: str, headings: Sequence[str], rows: Sequence[NamedRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    names = [named, *(row.name for row in rows)]
    table.add_column(named, no_wrap=True, min_width=max(map(cell_len, names)))
    _add_figures(table, headings, rows)
    longest = max(cell_len(row.note) for row in rows)
    if longest:
        table.add_column(noted, min_width=min(_NOTE, longest))
    for row in rows:
        table.add_row(Text(row.name), *row.figures, *([Text(row.note)] if longest else []))
    return table


def _figures(headings: Sequence[str], rows: Sequence[NamedRow]) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    _add_figures(table, headings, rows)
    for row in rows:
        table.add_row(*row.figures)
    return table


def _add_figures(table: Table, headings: Sequence[str], rows: Sequence[NamedRow]) -> None:
    """Adds the columns of figures, each as wide as its widest one."""
    for number, heading in enumerate(headings):
        width = max(map(cell_len, (heading, *(row.figures[number] for row in rows))))
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
