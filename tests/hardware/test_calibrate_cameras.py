"""The guided camera calibration, end to end: a video of a board moved before a camera that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.camera import Board
from hardware.calibrate_cameras import VIEWS, calibrate_camera
from hardware.camera import ThreadedCamera
from hardware.pattern_camera import FileSource
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault
from il_robot.rig import Camera

SETTINGS = Camera("cam_high", 640, 480, quality=95)
TRUTH = np.array([[520.0, 0, 330.0], [0, 515.0, 235.0], [0, 0, 1]])
BOARD = Board()


def film(path: Path, moving: bool) -> None:
    """A board wandering through the image, or lying still."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 100.0, (640, 480))
    to_board = np.diag([BOARD.square_m / 60, BOARD.square_m / 60, 1.0])
    for at in np.linspace(0, 40, 60) * moving:
        turn = 0.5 * np.array([np.sin(1.3 * at), np.cos(0.9 * at), np.sin(0.7 * at)])
        place = [-0.13 + 0.12 * np.sin(1.7 * at), -0.09 + 0.08 * np.cos(2.3 * at), 0.42 + 0.08 * np.sin(at)]
        pose = np.column_stack([cv2.Rodrigues(turn)[0][:, :2], place])
        grey = cv2.warpPerspective(
            BOARD.draw(60), TRUTH @ pose @ to_board, (640, 480), flags=cv2.INTER_AREA, borderValue=127
        )
        writer.write(cv2.cvtColor(cv2.GaussianBlur(grey, (3, 3), 0), cv2.COLOR_GRAY2BGR))
    writer.release()


def test_a_camera_is_found_again_from_a_moving_board(tmp_path: Path) -> None:
    film(tmp_path / "board.avi", moving=True)
    camera = ThreadedCamera("cam_high", FileSource(SETTINGS, tmp_path / "board.avi", SystemClock()))
    told: list[str] = []
    found = calibrate_camera(camera, SETTINGS, BOARD, told.append, patience_s=30)
    camera.close()
    assert found.views == VIEWS
    assert found.matrix == pytest.approx(TRUTH, rel=0.03, abs=10)
    assert told[-1] == f"cam_high: view {VIEWS} of {VIEWS}"


def test_a_board_that_lies_still_is_not_taken_twenty_times(tmp_path: Path) -> None:
    film(tmp_path / "board.avi", moving=False)
    settings = replace(SETTINGS, name="cam_low")
    camera = ThreadedCamera("cam_low", FileSource(settings, tmp_path / "board.avi", SystemClock()))
    with pytest.raises(Fault, match="cam_low: 1 of 20 views"):
        calibrate_camera(camera, settings, BOARD, lambda _: None, patience_s=1)
    camera.close()
