"""Errors a person meets: one line that says what is wrong, where, and what is allowed."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

Word = TypeVar("Word", bound=str)


class IlRobotError(Exception):
    """Root of every error this project raises on purpose; its text is one readable line."""


class BadInput(IlRobotError):
    """A file, value or argument that cannot be used. The command line exits with 2."""


class Unreadable(BadInput):
    """A file that is there and that the system does not let us read: nothing is known of its contents."""


class Fault(IlRobotError):
    """Something that was running broke (a device, a process, a disk). The command line exits with 1."""


OF_THE_PATH = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENXIO),
)
"""What the system says of a path that somebody gave and that cannot be used."""


def said_by_the_system(error: OSError) -> IlRobotError:
    """The one line of an error that nobody awaited: a folder or file that the system refuses."""
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if error.errno == errno.ENAMETOOLONG:
        named = [f"{name[:40]}...{name[-20:]}" for name in named]
    why = error.strerror or str(error).partition("\n")[0] or type(error).__name__
    kind = BadInput if error.errno in OF_THE_PATH else Fault
    return kind(": ".join([*named, why]))


def unread(error: OSError, told: str) -> BadInput:
    """What a file that cannot be read is told as: one that is missing is the folder's fault, all else the system's."""
    return BadInput(told) if isinstance(error, FileNotFoundError) else Unreadable(told)


def one_of(what: str, word: str, allowed: Sequence[Word]) -> Word:
    """The one of the ``allowed`` words that ``word`` is. Raises BadInput, which calls it a ``what``."""
    for known in allowed:
        if word == known:
            return known
    raise BadInput(f"{what} {word}; {nearest(word, allowed)}")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The end of an error line: what is allowed, and the right words within one slip of the finger, or else near.

    >>> nearest("trnsfer_cube", ["transfer_cube"])
    "did you mean 'transfer_cube'? allowed: transfer_cube"
    """
    options = sorted(set(allowed))
    listed = f"allowed: {', '.join(options)}" if options else "there is none"
    close = near(word, options)
    return f"did you mean {' or '.join(map(repr, close))}? {listed}" if close else listed


def near(word: str, options: Sequence[str]) -> list[str]:
    """Those within one slip of the finger, or else the most similar one; empty when none is similar."""
    slips = [option for option in options if _one_slip(word.casefold(), option.casefold())]
    return slips or difflib.get_close_matches(word, options, n=1)


def _one_slip(first: str, second: str) -> bool:
    """Whether the two differ by one letter too many, too few or wrong, or by two that changed places: with two or
    three letters that is too much for a measure of similarity."""
    begin = _alike(first, second)
    first, second = first[begin:], second[begin:]
    end = _alike(first[::-1], second[::-1])
    first, second = first[: len(first) - end], second[: len(second) - end]
    return max(len(first), len(second)) <= 1 or (len(first) == 2 and first == second[::-1])


def _alike(first: str, second: str) -> int:
    """How many letters at the beginning are the same."""
    return next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
