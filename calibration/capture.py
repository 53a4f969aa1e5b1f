"""Finds the numbers of an arm: joint zeros and signs from reference poses, gripper ranges. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.gripper import GripperCalibration
from calibration.joint import RAD_PER_TICK, JointCalibration
from il_robot.errors import BadInput, Fault

SAMPLES = 25
LOST_ALLOWED = 25
STILL_TICKS = 6
"""Largest spread while a pose is held (0.5 deg)."""
SIGN_SPREAD_RAD = 0.5
"""A joint that the poses move by less keeps the sign it had."""
RESIDUAL_RAD = 0.05
"""Worse than this (3 deg) is a wrong pose, not a wrong zero."""

Read = Callable[[], NDArray[np.floating] | None]
"""(J,) servo ticks now; None when the answer got lost."""


def hold_still(read: Read, joints: Sequence[str]) -> NDArray[np.float64]:
    """(J,) mean ticks over half a second or so of a held pose. Raises BadInput when a joint moved meanwhile."""
    samples: list[NDArray[np.floating]] = []
    lost = 0
    while len(samples) < SAMPLES:
        if (ticks := read()) is not None:
            samples.append(ticks)
        elif (lost := lost + 1) > LOST_ALLOWED:
            raise Fault(f"{lost} answers of the arm got lost while a pose was read")
    spread = np.ptp(samples, axis=0)
    if spread.max() > STILL_TICKS:
        worst = int(spread.argmax())
        raise BadInput(
            f"{joints[worst]} moved by {spread[worst]:.0f} ticks (allowed {STILL_TICKS}); hold the arm still"
        )
    return np.asarray(np.mean(samples, axis=0, dtype=np.float64))


@dataclass(frozen=True)
class JointFit:
    """A joint's calibration and how far the poses are from it."""

    calibration: JointCalibration
    residual_rad: float
    """The largest over the poses."""
    sign_proven: bool
    """Whether the poses turn it enough to show its sign."""


def fit_joint(name: str, ticks: NDArray[np.float64], angles: NDArray[np.float64], prior: JointCalibration) -> JointFit:
    """Zero and sign from P poses: (P,) ticks read, (P,) angles the joint was held at [rad].

    The sign comes from the direction it moved, or stays as it was when the poses hardly move it.
    Raises BadInput when no zero explains the readings.
    """
    proven = float(np.ptp(angles)) >= SIGN_SPREAD_RAD
    sign = prior.sign
    if proven:
        sign = 1 if float(np.dot(ticks - ticks.mean(), angles - angles.mean())) > 0 else -1
    # Readings a whole turn apart are the same place.
    zeros = ticks - sign * angles / RAD_PER_TICK
    zeros -= np.rint((zeros - 2048) / 4096) * 4096
    zero = float(zeros.mean())
    residual = float(np.abs(zeros - zero).max()) * RAD_PER_TICK
    if residual > RESIDUAL_RAD:
        raise BadInput(
            f"joint {name}: the poses disagree by {residual:.3f} rad (allowed {RESIDUAL_RAD}): was it held as asked?"
        )
    return JointFit(JointCalibration(round(zero, 2), sign), residual, proven)


def fit_gripper(closed_ticks: float, open_ticks: float, prior: GripperCalibration) -> GripperCalibration:
    """The gripper's range; its lengths stay. Raises BadInput when it did not move."""
    return replace(prior, closed_ticks=round(closed_ticks, 2), open_ticks=round(open_ticks, 2))


def disagreement(leader: NDArray[np.floating], follower: NDArray[np.floating]) -> NDArray[np.float64]:
    """(J,) largest difference over P poses (P, J) of two arms held alike [rad], grippers [opening]."""
    return np.asarray(np.abs(leader - follower).max(axis=0), np.float64)
