"""Errors a person meets: one line that says what is wrong, where, and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IlRobotError(Exception):
    """Root of every error this project raises on purpose; its text is one readable line."""


class BadInput(IlRobotError):
    """A file, value or argument that cannot be used. The command line exits with 2."""


class Fault(IlRobotError):
    """Something that was running broke (a device, a process, a disk). The command line exits with 1."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The end of an error line: what is allowed, and the nearest right word if one is near.

    >>> nearest("trnsfer_cube", ["transfer_cube"])
    "did you mean 'transfer_cube'? allowed: transfer_cube"
    """
    options = sorted(allowed)
    listed = f"allowed: {', '.join(options)}" if options else "nothing is allowed here"
    close = difflib.get_close_matches(word, options, n=1)
    return f"did you mean {close[0]!r}? {listed}" if close else listed
