"""A number of things, in words."""

from __future__ import annotations

from collections.abc import Sequence

FEW = 3
"""So many names are said; the rest is counted."""


def counted(count: int, one: str, many: str = "") -> str:
    """``1 step``, ``2 steps``; ``many`` where more than one is not ``one`` with an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def few(names: Sequence[str]) -> str:
    """``a, b, c and 2 more``."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
