"""Which functions a piece of work spends its time in; the standard library alone, for every interpreter."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path


def hottest(work: Callable[[], object], count: int = 6) -> dict[str, float]:
    """Function -> its share of the time, without what it calls; the ``count`` largest."""
    profile = cProfile.Profile()
    profile.runcall(work)
    entries = pstats.Stats(profile).get_stats_profile().func_profiles
    total = sum(entry.tottime for entry in entries.values())
    ordered = sorted(entries.items(), key=lambda item: -item[1].tottime)[:count]
    return {_named(name, entry.file_name): entry.tottime / total for name, entry in ordered}


def _named(function: str, file: str) -> str:
    return function if file == "~" else f"{Path(file).name}: {function}"
