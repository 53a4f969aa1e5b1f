"""Which tasks the simulator has, and from which seeds their episodes start. Imports nothing heavy."""

from __future__ import annotations

from il_robot.errors import BadInput, nearest

TASKS = ("transfer_cube",)

DEMONSTRATION_SEEDS = 1_000_000
"""Demonstrations start from seeds below this, evaluations from seeds above: none starts where another did."""


def check_task(name: str) -> None:
    """Raises BadInput when the simulator has no such task."""
    if name not in TASKS:
        raise BadInput(f"no task {name!r} in the simulator; {nearest(name, TASKS)}")
