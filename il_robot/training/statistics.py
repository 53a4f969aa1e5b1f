"""Mean and spread of states and actions: what makes every joint count alike in a loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.errors import BadInput
from il_robot.types import Floats

LEAST_ACTION_SPREAD = 1e-2
"""A joint that hardly moves would otherwise have its noise blown up to the size of a motion."""


@dataclass(frozen=True)
class Statistics:
    """Of the training split alone; stored in the checkpoint and frozen from then on."""

    state_mean: tuple[float, ...]
    state_std: tuple[float, ...]
    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]

    def __post_init__(self) -> None:
        for what, mean, std in (
            ("state", self.state_mean, self.state_std),
            ("action", self.action_mean, self.action_std),
        ):
            if len(mean) != len(std):
                raise BadInput(f"{len(mean)} means of the {what} but {len(std)} deviations")
            if not (np.isfinite(_row(mean)).all() and np.isfinite(_row(std)).all() and (_row(std) > 0).all()):
                raise BadInput(f"means and deviations of the {what} must be finite, deviations above 0")

    @staticmethod
    def of(state_NS: Floats, action_NJ: Floats, least_state_spread_S: Floats) -> Statistics:
        """Over rows; no standard deviation is below its floor. NaN, what a row's rig lacks, counts nowhere."""
        return Statistics(
            _mean(state_NS),
            _std(state_NS, least_state_spread_S),
            _mean(action_NJ),
            _std(action_NJ, np.float32(LEAST_ACTION_SPREAD)),
        )

    def normalise_state(self, state_BS: Floats) -> Floats:
        return (state_BS - _row(self.state_mean)) / _row(self.state_std)

    def normalise_action(self, action_BJ: Floats) -> Floats:
        return (action_BJ - _row(self.action_mean)) / _row(self.action_std)

    def restore_action(self, normalised_BJ: Floats) -> Floats:
        return normalised_BJ * _row(self.action_std) + _row(self.action_mean)


def _mean(rows_NX: Floats) -> tuple[float, ...]:
    mean_X: NDArray[np.float64] = np.nanmean(rows_NX, 0, dtype=np.float64)
    return tuple(mean_X.tolist())


def _std(rows_NX: Floats, least: Floats | np.float32) -> tuple[float, ...]:
    # Where nothing is lacking the plain deviation: numpy's other one sums in another order, so that the last digit,
    # and with it every loss of a run, would differ.
    deviation = np.nanstd if np.isnan(rows_NX).any() else np.std
    return tuple(np.maximum(deviation(rows_NX, 0, dtype=np.float64), least).tolist())


def _row(values: tuple[float, ...]) -> Floats:
    """As they are computed with: what is finite or above 0 in float64 may not be so here."""
    with np.errstate(over="ignore", under="ignore"):
        return np.array(values, np.float32)
