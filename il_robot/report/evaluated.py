"""Reads what ``il-robot evaluate --json`` printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from il_robot.counted import counted
from il_robot.errors import BadInput
from il_robot.training.intervals import Share


@dataclass(frozen=True)
class Rate(Share):
    """A share of the episodes driven, and of what."""

    name: str


@dataclass(frozen=True)
class Evaluated:
    """A policy on fresh starts."""

    policy: str
    task: str
    seed: int
    held: Rate
    success: Rate
    crash: Rate
    stall: Rate
    milestones: tuple[Rate, ...]
    """In the order in which they are reached."""
    weights: str = ""
    """Which, and of which training step; empty in a file that does not tell."""
    run: str = ""
    """The run's folder when it was evaluated; empty in a file that does not tell."""
    identity: str = ""
    """Of the run, see :mod:`il_robot.training.identity`; empty in a file of an il-robot that did not tell it."""


def read_evaluated(data: Any, where: str) -> Evaluated:
    """The evaluation in ``data``. Raises BadInput when it is something else."""
    try:
        return Evaluated(
            policy=str(data["policy"]),
            task=str(data["task"]),
            seed=int(data["seed"]),
            held=_rate("held at the end", data["held"]),
            success=_rate("handed over once", data["success"]),
            crash=_rate("crashed", data["crash"]),
            stall=_rate("stalled", data["stall"]),
            milestones=tuple(_rate(name, part) for name, part in data["milestones"].items()),
            weights=_weights(data),
            run=str(data.get("run", "")),
            identity=str(data.get("identity", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{where}: not what il-robot evaluate --json printed: {reason}") from None


def _weights(data: Mapping[str, Any]) -> str:
    if "weights" not in data:
        return ""
    return f"{data['weights']} weights" + ("" if data.get("step") is None else f" of step {data['step']}")


def _rate(name: str, part: Mapping[str, Any]) -> Rate:
    rate = Rate(int(part["count"]), int(part["of"]), float(part["low"]), float(part["high"]), name)
    if not 0 <= rate.count <= rate.of or rate.of < 1:
        raise ValueError(f"{name}: {rate.count} of {counted(rate.of, 'episode')}")
    return rate
