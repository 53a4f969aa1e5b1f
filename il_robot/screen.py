"""Lines for a terminal: broken between words, where the terminal itself would break in the middle of one."""

from __future__ import annotations

import shutil
import sys
import textwrap


def for_screen(line: str, begin: str = "") -> str:
    """``begin`` and the line, in as many rows as this terminal needs, those after the first indented below the line.

    As it is where no terminal shows it: what reads a pipe wants one line.
    """
    if not sys.stdout.isatty():
        return f"{begin}{line}"
    return broken(line, begin, shutil.get_terminal_size().columns)


def broken(line: str, begin: str, width: int) -> str:
    """The same at a width [columns]. Words that are longer, such as paths, stay whole."""
    rows = textwrap.wrap(
        line,
        max(width - len(begin), 1),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )
    return f"\n{' ' * len(begin)}".join([f"{begin}{rows[0] if rows else ''}", *rows[1:]])
