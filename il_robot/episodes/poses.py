"""Poses of objects that no table ever saw. One of them, finite, spoils a whole run's statistics without a word.

Axes: T steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_robot.types import Floats

FARTHEST_M = 1000.0
"""From the origin, along an axis. A simulated cube that was flung off the floor falls for 14 s until there."""
OFF_UNIT = 0.1
"""Most by which a quaternion's length may differ from 1."""


def impossible(pose_T7: Floats) -> NDArray[np.bool_]:
    """(T,) known poses that are farther away than FARTHEST_M, or whose quaternion is no rotation. Unknown ones (NaN)
    are possible."""
    known_T: NDArray[np.bool_] = np.asarray(np.isfinite(pose_T7).all(-1))
    pose_T7 = np.where(known_T[:, None], pose_T7, np.array([0, 0, 0, 1, 0, 0, 0])).astype(np.float64)
    far_T = (np.abs(pose_T7[:, :3]) > FARTHEST_M).any(-1)
    no_rotation_T = np.abs(np.linalg.norm(pose_T7[:, 3:], axis=-1) - 1) > OFF_UNIT
    result: NDArray[np.bool_] = far_T | no_rotation_T
    return result
