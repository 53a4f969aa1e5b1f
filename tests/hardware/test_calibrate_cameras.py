"""The guided camera calibration, end to end: a video of a board moved before a camera that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calibration.arm import load_calibration
from calibration.board_views import CamerasProgress, no_views
from calibration.camera import Board
from calibration.guide import Say
from calibration.report import load_report
from calibration.rig_file import RIGS
from hardware import calibrate_commands
from hardware.calibrate_cameras import VIEWS, calibrate_cameras
from hardware.camera import ThreadedCamera
from hardware.emulated_lab import write_lab
from hardware.pattern_camera import FileSource
from il_robot.control.rate import SystemClock
from il_robot.errors import BadInput, Fault
from il_robot.rig import Camera

SETTINGS = Camera("cam_high", 640, 480, quality=95)
LOW = replace(SETTINGS, name="cam_low")
TRUTH = np.array([[520.0, 0, 330.0], [0, 515.0, 235.0], [0, 0, 1]])
BOARD = Board()


def film(path: Path, moving: bool | None) -> None:
    """A board wandering through the image, or lying still; None: no board."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 100.0, (640, 480))
    to_board = np.diag([BOARD.square_m / 60, BOARD.square_m / 60, 1.0])
    for at in np.linspace(0, 40, 60) * bool(moving):
        turn = 0.5 * np.array([np.sin(1.3 * at), np.cos(0.9 * at), np.sin(0.7 * at)])
        place = [-0.13 + 0.12 * np.sin(1.7 * at), -0.09 + 0.08 * np.cos(2.3 * at), 0.42 + 0.08 * np.sin(at)]
        pose = np.column_stack([cv2.Rodrigues(turn)[0][:, :2], place])
        grey = cv2.warpPerspective(
            BOARD.draw(60), TRUTH @ pose @ to_board, (640, 480), flags=cv2.INTER_AREA, borderValue=127
        )
        grey = np.full_like(grey, 127) if moving is None else grey
        writer.write(cv2.cvtColor(cv2.GaussianBlur(grey, (3, 3), 0), cv2.COLOR_GRAY2BGR))
    writer.release()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "board.avi"
    film(path, moving=True)
    return path


def calibrated(
    folder: Path,
    shown: Path,
    say: Say,
    cameras: tuple[Camera, ...] = (SETTINGS,),
    board: Board = BOARD,
    focus: int = 5,
    patience_s: float = 60.0,
) -> list[str]:
    """What was said, and the cameras that were opened, while ``folder`` was calibrated."""
    opened: list[str] = []

    def open_camera(settings: Camera) -> ThreadedCamera:
        opened.append(settings.name)
        return ThreadedCamera(settings.name, FileSource(settings, shown, SystemClock()))

    prior = load_calibration(RIGS / "aloha" / "calibration.yaml")
    controls = {settings.name: {"focus": focus} for settings in cameras}
    calibrate_cameras(list(cameras), open_camera, controls, prior, folder / "calibration.yaml", say, board, patience_s)
    return opened


def test_a_camera_is_found_again_from_a_moving_board(tmp_path: Path, moving: Path) -> None:
    told: list[str] = []
    calibrated(tmp_path, moving, told.append)
    found = load_calibration(tmp_path / "calibration.yaml").cameras["cam_high"]
    assert found.views >= VIEWS
    assert found.matrix == pytest.approx(TRUTH, rel=0.03, abs=10)
    assert f"cam_high: view {VIEWS} of {VIEWS}" in told
    report = load_report(tmp_path / "calibration.yaml").cameras["cam_high"]
    assert (report.views, report.error_px) == (found.views, pytest.approx(found.error_px, abs=0.001))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calibration.report.yaml", "calibration.yaml"]


def left_after(folder: Path, shown: Path, last: str) -> None:
    """What a calibration leaves that was interrupted when it said ``last``."""

    def say(line: str) -> None:
        if line.startswith(last):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrated(folder, shown, say, (SETTINGS, LOW))


def test_an_interrupted_one_goes_on_with_the_views_it_has(tmp_path: Path, moving: Path) -> None:
    left_after(tmp_path, moving, "cam_low: view 7 of")
    kept = CamerasProgress.resume(tmp_path / "calibration.cameras.unfinished.yaml").cameras
    assert (kept["cam_high"].done, kept["cam_low"].done, len(kept["cam_low"].views)) == (True, False, 7)
    told: list[str] = []
    assert calibrated(tmp_path, moving, told.append, (SETTINGS, LOW)) == ["cam_low"], "what is done is not opened"
    assert told[0].startswith("cam_high: calibrated, kept from before (20")
    assert told[1].startswith("cam_low: 7 of 20 views, kept from before (20")
    assert next(line for line in told if "view " in line and "in view" not in line) == "cam_low: view 8 of 20"
    assert set(load_calibration(tmp_path / "calibration.yaml").cameras) == {"cam_high", "cam_low"}
    assert not (tmp_path / "calibration.cameras.unfinished.yaml").exists()


def test_what_was_calibrated_and_is_gone_is_not_taken_for_calibrated(tmp_path: Path, moving: Path) -> None:
    """Somebody put an older calibration.yaml back meanwhile."""
    done = replace(no_views(BOARD, SETTINGS, {"focus": 5}), done=True)
    CamerasProgress({"cam_high": done}).save(tmp_path / "calibration.cameras.unfinished.yaml")
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if line == f"cam_high: view 1 of {VIEWS}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrated(tmp_path, moving, say)
    assert told[0].startswith(f"cam_high: was calibrated, but {tmp_path}/calibration.yaml does not have it any more")


@pytest.mark.parametrize(
    "rows", ["[[[0, 1]]]", "[[[40, 1, 2]]]", "[[[-1, 1, 2]]]", "[[[0.5, 1, 2]]]", "[[[0, 1.0e+300, 2]]]", "[[[]]]"]
)
def test_views_that_cannot_be_are_one_line_and_a_fresh_start_helps(tmp_path: Path, rows: str) -> None:
    write_lab("koch", tmp_path / "lab")
    rig, camera = str(tmp_path / "lab"), ("cam_front",)
    kept = tmp_path / "lab" / "calibration.cameras.unfinished.yaml"
    of_board = "board: {columns: 9, rows: 6, square_m: 0.03, marker_m: 0.022}, width: 640, height: 480, controls: {}"
    kept.write_text(f"cameras:\n  cam_front: {{{of_board}, rows: {rows}}}\n")
    with pytest.raises(BadInput, match=r"unfinished.yaml:2:3: .*corner .*; --afresh begins without this file"):
        calibrate_commands.calibrate_cameras(rig=rig, cameras=camera)
    with pytest.raises(Fault, match="its lab does not run"):
        calibrate_commands.calibrate_cameras(rig=rig, cameras=camera, afresh=True)
    assert not kept.exists()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"board": Board(marker_m=0.02)}, "board"),
        ({"cameras": (replace(SETTINGS, width=320, height=240),)}, "image size"),
        ({"focus": 40}, "camera controls"),
    ],
)
def test_views_of_something_else_are_not_mixed_with_new_ones(
    tmp_path: Path, moving: Path, changed: dict[str, Any], what: str
) -> None:
    left_after(tmp_path, moving, "cam_high: view 2 of")
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrated(tmp_path, moving, say, **changed)
    assert f"is of another {what}: not used" in told[0]
    assert "view 1 of" in told[2] or "0 of 20 views" in told[2]


def test_what_it_sees_is_said_when_no_view_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.calibrate_cameras.SAY_S", 0.2)
    for name, moving in (("still", False), ("none", None)):
        film(tmp_path / f"{name}.avi", moving)
        told: list[str] = []
        with pytest.raises(Fault, match=r"cam_high: [01] of 20 views, and no new one for 1 s"):
            calibrated(tmp_path, tmp_path / f"{name}.avi", told.append, patience_s=1.0)
        seen = "the board was seen like this already: move it" if name == "still" else "no board in view (0 of 20"
        assert any(seen in line for line in told)
        (tmp_path / "calibration.cameras.unfinished.yaml").unlink(missing_ok=True)
