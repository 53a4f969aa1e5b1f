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
        if (view := find_board(render(rotation, position), BOARD)).usable:
            views.append(view)
    return views


def test_the_rendering_camera_is_found_again() -> None:
    found, report = find_intrinsics(seen(20, spread=1.0), BOARD, WIDTH, HEIGHT)
    assert found.error_px < 0.5
    assert found.matrix == pytest.approx(TRUTH, rel=0.02, abs=8)
    assert abs(found.distortion[0]) < 0.05
    assert report.error_px == pytest.approx(found.error_px, abs=0.001)
    assert found.error_px < report.worst_view_px < 1
    assert abs(found.fx - TRUTH[0, 0]) < 4 * report.within_px["fx"] < 30


def test_no_board_is_no_view() -> None:
    assert not find_board(np.full((HEIGHT, WIDTH, 3), 127, np.uint8), BOARD).usable


def test_too_few_or_too_central_views_are_refused() -> None:
    views = seen(3, spread=1.0)
    with pytest.raises(BadInput, match="3 views of the board; at least 10"):
        find_intrinsics(views, BOARD, WIDTH, HEIGHT)
    small = [BoardView(view.corners * 0.2 + 200, view.ids) for view in views * 4]
    with pytest.raises(BadInput, match="show it in the corners too"):
        find_intrinsics(small, BOARD, WIDTH, HEIGHT)


def test_corners_that_fit_no_camera_are_refused() -> None:
    random = np.random.default_rng(1)
    views = [
        BoardView(v.corners + random.normal(0, 6, v.corners.shape).astype(np.float32), v.ids) for v in seen(10, 1.0)
    ]
    with pytest.raises(BadInput, match="reprojection error"):
        find_intrinsics(views, BOARD, WIDTH, HEIGHT)


def test_impossible_numbers_are_bad_input() -> None:
    with pytest.raises(BadInput, match="must be above 0"):
        CameraIntrinsics(640, 480, 0.0, 500.0, 320.0, 240.0, (0.0,) * 5, 0.1, 20)
    with pytest.raises(BadInput, match="marker_m"):
        Board(marker_m=0.04)
