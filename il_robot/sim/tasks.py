"""Which tasks the simulator has, and from which seeds their episodes start. Imports nothing heavy."""

from __future__ import annotations

TASKS = ("transfer_cube",)

DEMONSTRATION_SEEDS = 1_000_000
"""Demonstrations start from seeds below this, evaluations from seeds above: none starts where another did."""
