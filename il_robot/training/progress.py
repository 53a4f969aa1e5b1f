"""What a training tells of itself: after every step, and in the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far training is; told after every step."""

    step: int
    """Steps done."""
    loss: float
    """Of the newest line of ``metrics.jsonl``."""
    steps_per_s: float
    """Of this session, without its first step and the time that saves took."""
    waiting: float
    """Share of that time spent on getting data rather than on learning."""
    saving: bool = False
    """It is looked at and saved now, before the next step; that may take long."""


@dataclass(frozen=True)
class Result:
    step: int
    """Steps done."""
    loss: float
    """Of the newest line of ``metrics.jsonl``: the mean over its steps. NaN when no step was left to do."""
    validation: float | None
    held: float | None
    """Share of simulated starts that held at the end; None where nobody looked."""
    cpu_s: float
    """Of the newest line of ``metrics.jsonl``: CPU time in the loop, all threads of this process, saves included, with
    that of the sessions before it was resumed."""
    stopped: bool
    """Somebody asked it to stop before the last step."""
