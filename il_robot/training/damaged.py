"""An episode whose contents cannot be learned from: what to do about it is said with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from il_robot.errors import BadInput, Unreadable


@contextmanager
def told_to_prune() -> Iterator[None]:
    """Around what reads one episode: adds the cure to a BadInput, if it is the episode that is bad."""
    try:
        yield
    except Unreadable:
        raise
    except BadInput as error:
        raise BadInput(f"{error}; prune the episode (il-robot dataset validate tells of all)") from None
