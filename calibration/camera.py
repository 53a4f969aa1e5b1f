"""Finds a camera's intrinsics from images of a ChArUco board (a chessboard with markers, so that any part will do)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.intrinsics import CameraIntrinsics
from calibration.report import CameraReport
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
    """The board's inner corners in one image, n of them; perhaps none."""

    corners: NDArray[np.float32]
    """(n, 2) [px]."""
    ids: NDArray[np.int64]
    """(n,) which corners of the board."""

    @property
    def usable(self) -> bool:
        """Whether it shows enough of the board."""
        return len(self.ids) >= MIN_CORNERS


def find_board(image: Image, board: Board) -> BoardView:
    """What an (H, W, 3) RGB image shows of the board."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco).detectBoard(grey)
    if ids is None:
        return BoardView(np.empty((0, 2), np.float32), np.empty(0, np.int64))
    return BoardView(np.asarray(corners, np.float32).reshape(-1, 2), np.asarray(ids, np.int64).ravel())


def covered(views: Sequence[BoardView], width: int, height: int) -> tuple[float, float]:
    """The share of the image's width and of its height that the corners of all views span."""
    across, down = np.ptp(np.concatenate([view.corners for view in views]), axis=0) / (width, height)
    return float(across), float(down)


def find_intrinsics(
    views: Sequence[BoardView], board: Board, width: int, height: int
) -> tuple[CameraIntrinsics, CameraReport]:
    """Intrinsics from at least 10 views that together cover the image, and how well they fit.

    Raises BadInput when the views are too few, too central, or do not fit a camera within 1 px.
    """
    if len(views) < MIN_VIEWS:
        raise BadInput(f"{len(views)} views of the board; at least {MIN_VIEWS} are needed")
    across, down = covered(views, width, height)
    if min(across, down) < MIN_COVERED:
        raise BadInput(
            f"the board was seen in {across:.0%} of the width and {down:.0%} of the height; "
            f"show it in the corners too (at least {MIN_COVERED:.0%})"
        )
    points = np.asarray(board.charuco.getChessboardCorners(), np.float32)
    error, matrix, distortion, _, _, within, _, by_view = cv2.calibrateCameraExtended(
        [points[view.ids] for view in views],
        [view.corners for view in views],
        (width, height),
        np.eye(3),
        np.zeros(5),
    )
    if error > MAX_ERROR_PX:
        raise BadInput(f"reprojection error {error:.2f} px (allowed {MAX_ERROR_PX:g}): blurred images or a bent board?")
    found = CameraIntrinsics(
        width,
        height,
        fx=round(float(matrix[0, 0]), 3),
        fy=round(float(matrix[1, 1]), 3),
        cx=round(float(matrix[0, 2]), 3),
        cy=round(float(matrix[1, 2]), 3),
        distortion=tuple(np.ravel(distortion)[:5].round(6).tolist()),
        error_px=round(float(error), 3),
        views=len(views),
    )
    deviations = dict(zip(("fx", "fy", "cx", "cy"), np.round(np.ravel(within)[:4], 2).tolist(), strict=True))
    worst = round(float(np.max(by_view)), 3)
    return found, CameraReport(
        len(views), round(float(error), 3), worst, (round(across, 2), round(down, 2)), deviations
    )
