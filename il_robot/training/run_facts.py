"""What a run's folder tells of it: its description, and the newest of its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from il_robot.errors import BadInput
from il_robot.training.description import Description, read_description
from il_robot.training.journal import METRICS, read_metrics, steps_done
from il_robot.training.settings import settings_of


@dataclass(frozen=True)
class Run:
    """One run, and what its metrics say."""

    path: Path
    policy: str
    seed: int
    step: int
    """Steps done."""
    steps: int
    loss: float | None
    """Of the newest line of its metrics, as training printed it."""
    validation: float | None
    held: float | None
    """Share of simulated starts held, where training looked."""
    starts: int | None
    """How many it looked at."""
    cpu_s: float | None
    settings: dict[str, Any]
    """Every setting but the seed, by its dotted name."""


def read_run(path: Path) -> Run:
    """The run in ``path``. Raises BadInput when it is damaged."""
    description, lines = read_description(path), read_metrics(path)

    def newest(key: str) -> float | None:
        return next((float(line[key]) for line in reversed(lines) if key in line), None)

    held, starts = newest("held"), newest("starts")
    if not (0 <= (held or 0) <= 1 and (starts is None or starts >= 1)):
        raise BadInput(f"{path / METRICS}: held {held} of {starts} starts")
    return Run(
        path=path,
        policy=description.policy,
        seed=description.seed,
        step=max(map(steps_done, lines), default=0),
        steps=description.recipe.steps,
        loss=newest("loss"),
        validation=newest("validation"),
        held=held,
        starts=None if starts is None else round(starts),
        cpu_s=newest("cpu_s"),
        settings=_settings(description),
    )


def _settings(description: Description) -> dict[str, Any]:
    return {
        "policy": description.policy,
        **settings_of(description.network, description.recipe),
        "cameras": " ".join(f"{c.name} {c.height}x{c.width}" for c in description.inputs.cameras),
        "objects": " ".join(description.inputs.objects),
        "history": description.inputs.history,
        "datasets": " ".join(description.data.datasets),
        "weights": " ".join(f"{weight:g}" for weight in description.data.weights),
        "episodes": len(description.data.train),
    }
