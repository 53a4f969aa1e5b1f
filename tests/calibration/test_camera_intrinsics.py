"""Intrinsics from rendered boards, whose camera is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration.camera import Board, BoardView, find_board, find_intrinsics
from calibration.intrinsics import CameraIntrinsics
from il_robot.errors import BadInput

WIDTH, HEIGHT = 640, 480
TRUTH = np.array([[520.0, 0, 330.0], [0, 515.0, 235.0], [0, 0, 1]])
BOARD = Board()
SQUARE_PX = 60


def render(rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(H, W, 3): the board as the camera TRUTH sees it."""
    to_world = np.diag([BOARD.square_m / SQUARE_PX, BOARD.square_m / SQUARE_PX, 1.0])
    pose = np.column_stack([cv2.Rodrigues(rotation)[0][:, :2], position])
    board = cv2.warpPerspective(
        BOARD.draw(SQUARE_PX), TRUTH @ pose @ to_world, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderValue=127
    )
    return np.repeat(cv2.GaussianBlur(board, (3, 3), 0)[:, :, None], 3, axis=2)


def seen(count: int, spread: float) -> list[BoardView]:
    random = np.random.default_rng(0)
    views: list[BoardView] = []
    while len(views) < count:
        rotation = random.uniform(-0.5, 0.5, 3)
        position = np.array([-0.13, -0.09, 0.45]) + spread * random.uniform(-1, 1, 3) * (0.15, 0.1, 0.1)
        if (view := find_board(render(rotation, position), BOARD)) is not None:
            views.append(view)
    return views


def test_the_rendering_camera_is_found_again() -> None:
    found = find_intrinsics(seen(20, spread=1.0), WIDTH, HEIGHT)
    assert found.error_px < 0.5
    assert found.matrix == pytest.approx(TRUTH, rel=0.02, abs=8)
    assert abs(found.distortion[0]) < 0.05


def test_no_board_is_no_view() -> None:
    assert find_board(np.full((HEIGHT, WIDTH, 3), 127, np.uint8), BOARD) is None


def test_too_few_or_too_central_views_are_refused() -> None:
    views = seen(3, spread=1.0)
    with pytest.raises(BadInput, match="3 views of the board; at least 10"):
        find_intrinsics(views, WIDTH, HEIGHT)
    small = [BoardView(view.corners * 0.2 + 200, view.points) for view in views * 4]
    with pytest.raises(BadInput, match="show it in the corners too"):
        find_intrinsics(small, WIDTH, HEIGHT)


def test_corners_that_fit_no_camera_are_refused() -> None:
    random = np.random.default_rng(1)
    views = [
        BoardView(v.corners + random.normal(0, 6, v.corners.shape).astype(np.float32), v.points) for v in seen(10, 1.0)
    ]
    with pytest.raises(BadInput, match="reprojection error"):
        find_intrinsics(views, WIDTH, HEIGHT)


def test_impossible_numbers_are_bad_input() -> None:
    with pytest.raises(BadInput, match="must be above 0"):
        CameraIntrinsics(640, 480, 0.0, 500.0, 320.0, 240.0, (0.0,) * 5, 0.1, 20)
    with pytest.raises(BadInput, match="marker_m"):
        Board(marker_m=0.04)
