"""A camera's intrinsics: plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.errors import BadInput


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole with radial and tangential distortion, in OpenCV's convention."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...]
    """k1 k2 p1 p2 k3."""
    error_px: float
    """Root mean square of the reprojection [px]."""
    views: int
    """Board images it was found from."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.fx, self.fy) <= 0:
            raise BadInput("camera intrinsics: width, height, fx and fy must be above 0")
        if len(self.distortion) != 5:
            raise BadInput(f"camera intrinsics: distortion has {len(self.distortion)} numbers; allowed: 5")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)
