"""Faults of the codes: numbers that the format gives no meaning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.checks.finding import Finding, runs
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.types import Gate, Mode


def check_values(episode: Episode) -> Iterator[Finding]:
    """Every mode, gate and validity that is none."""
    yield from _unknown(episode, "control/mode", "mode", episode.mode, [mode.value for mode in Mode])
    gates = range(sum(gate.value for gate in Gate) + 1)
    yield from _unknown(episode, "control/gate", "gate", episode.gate, list(gates))
    known = [validity.value for validity in Validity]
    for stream in episode.info.streams:
        yield from _unknown(episode, stream, "validity", episode.validity(stream), known)
    if (episode.intervention < 0).any():
        first, last = next(runs(episode.intervention < 0))
        yield Finding(episode.id, "control/intervention", "unknown", "a negative count", first, last)


def _unknown(
    episode: Episode, stream: str, what: str, codes: NDArray[np.integer], known: list[int]
) -> Iterator[Finding]:
    for first, last in runs(~np.isin(codes, known)):
        text = f"{codes[first]} is no {what}; allowed: {known[0]} to {known[-1]}"
        yield Finding(episode.id, stream, "unknown", text, first, last)
