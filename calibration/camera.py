"""Finds a camera's intrinsics from images of a ChArUco board (a chessboard with markers, so that any part will do)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.intrinsics import CameraIntrinsics
from il_robot.errors import BadInput
from il_robot.types import Image

MIN_CORNERS = 8
MIN_VIEWS = 10
MAX_ERROR_PX = 1.0
MIN_COVERED = 0.5
"""The corners of all views must span this share of the image's width and height."""


@dataclass(frozen=True)
class Board:
    """The board to print. The default fits an A4 sheet; measure what your printer made of it."""

    columns: int = 9
    rows: int = 6
    square_m: float = 0.030
    marker_m: float = 0.022

    def __post_init__(self) -> None:
        if not 0 < self.marker_m < self.square_m:
            raise BadInput(f"board: marker_m {self.marker_m:g} must be above 0 and below square_m {self.square_m:g}")

    @property
    def charuco(self) -> cv2.aruco.CharucoBoard:
        markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_m, markers)

    def draw(self, square_px: int = 100) -> NDArray[np.uint8]:
        """(rows * square_px, columns * square_px) grey, to print."""
        return np.asarray(self.charuco.generateImage((self.columns * square_px, self.rows * square_px)), np.uint8)


@dataclass(frozen=True)
class BoardView:
    """The board's inner corners in one image, n of them."""

    corners: NDArray[np.float32]
    """(n, 2) [px]."""
    points: NDArray[np.float32]
    """(n, 3) on the board [m]."""


def find_board(image: Image, board: Board) -> BoardView | None:
    """The board in an (H, W, 3) RGB image; None when fewer than 8 corners are seen."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco).detectBoard(grey)
    if ids is None or len(ids) < MIN_CORNERS:
        return None
    points = np.asarray(board.charuco.getChessboardCorners(), np.float32)[ids.ravel()]
    return BoardView(np.asarray(corners, np.float32).reshape(-1, 2), points)


def find_intrinsics(views: Sequence[BoardView], width: int, height: int) -> CameraIntrinsics:
    """Intrinsics from at least 10 views that together cover the image.

    Raises BadInput when the views are too few, too central, or do not fit a camera within 1 px.
    """
    if len(views) < MIN_VIEWS:
        raise BadInput(f"{len(views)} views of the board; at least {MIN_VIEWS} are needed")
    corners = np.concatenate([view.corners for view in views])
    covered = np.ptp(corners, axis=0) / (width, height)
    if covered.min() < MIN_COVERED:
        raise BadInput(
            f"the board was seen in {covered[0]:.0%} of the width and {covered[1]:.0%} of the height; "
            f"show it in the corners too (at least {MIN_COVERED:.0%})"
        )
    error, matrix, distortion, _, _ = cv2.calibrateCamera(
        [view.points for view in views],
        [view.corners for view in views],
        (width, height),
        np.eye(3),
        np.zeros(5),
    )
    if error > MAX_ERROR_PX:
        raise BadInput(f"reprojection error {error:.2f} px (allowed {MAX_ERROR_PX:g}): blurred images or a bent board?")
    return CameraIntrinsics(
        width,
        height,
        fx=float(matrix[0, 0]),
        fy=float(matrix[1, 1]),
        cx=float(matrix[0, 2]),
        cy=float(matrix[1, 2]),
        distortion=tuple(float(value) for value in np.ravel(distortion)[:5]),
        error_px=float(error),
        views=len(views),
    )
