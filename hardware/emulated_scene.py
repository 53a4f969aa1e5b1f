"""What the cameras of an emulated lab see: its followers, and the calibration board while a hand shows it.

The lab writes it into a file, every emulated camera, in whatever process, draws it from there.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from calibration.camera import Board
from calibration.intrinsics import CameraIntrinsics
from hardware.camera import Captured
from hardware.pattern_camera import write_number
from il_robot.control.rate import Clock, DeadlineLoop
from il_robot.errors import Fault
from il_robot.rig import Camera, Rig
from il_robot.types import Floats, Image

SUFFIX = ".scene"
"""Of a camera's ``device`` that is such a file."""
GROUND, STICK = 30, (255, 220, 150)
LATE_FRAMES = 1
"""Images show what was this long before their stamp, as a camera's do that exposes and sends before it stamps."""
REMEMBERED = 128
"""So many moves are remembered, at 50 a second."""
BOARD_PX = 60
"""A square of the board as it is drawn, before the camera sees it."""


class Scene:
    """The file, rows of a time [s since 1970] and J numbers. The first: since when the board is shown (NaN: it is not).
    All others: where the followers' joints were lately. So an image shows what was when it was taken, however late
    a busy computer draws it."""

    def __init__(self, path: Path, rig: Rig) -> None:
        """Makes it, with every arm at the start pose and no board."""
        rows = np.zeros((1 + REMEMBERED, 1 + len(rig.start)))
        rows[0, 0], rows[1:, 1:] = math.nan, rig.start
        rows.tofile(path)
        self._shared = np.memmap(path, np.float64, "r+", shape=rows.shape)
        self._moves = 0

    def move(self, qpos: Floats) -> None:
        """(J,) where the followers are, in the rig's order."""
        row = self._shared[1 + self._moves % REMEMBERED]
        row[1:] = qpos
        row[0] = time.time()  # last: a camera that looks meanwhile finds this row as old as it was, and takes another
        self._moves += 1

    def show_board(self, shown: bool) -> None:
        """In front of every camera, moving about, from now on; or away."""
        self._shared[0, 0] = time.time() if shown else math.nan


def seen_at(rows: NDArray[np.float64], then_s: float) -> tuple[float, NDArray[np.float64]]:
    """How long the board was shown by ``then_s`` [s; NaN: it was not], and where the joints (J,) were."""
    since_s, (times, joints) = rows[0, 0], (rows[1:, 0], rows[1:, 1:])
    newest = np.where(times <= then_s, times, -1.0).argmax()
    return then_s - since_s if since_s <= then_s else math.nan, joints[newest]


class SceneSource:
    """An emulated camera: draws the scene at an exact rate. The frame's number is drawn as in the test pattern."""

    def __init__(self, settings: Camera, rate_hz: float, path: Path, clock: Clock) -> None:
        self.rate_hz = rate_hz
        self._settings, self._path = settings, path
        self._loop = DeadlineLoop(clock, round(1e9 / rate_hz))
        self._first_ns: int | None = None

    def open(self) -> None:
        """Raises Fault when the lab does not run."""
        if not self._path.is_file():
            raise Fault(f"camera {self._settings.name}: no {self._path}: its lab does not run (il-robot emulate)")
        self._shared = np.memmap(self._path, np.float64, "r").reshape(1 + REMEMBERED, -1)

    def next(self) -> Captured | None:
        """Waits until the next frame is due. Raises Fault when its clock stops."""
        due_ns = self._loop.wait()
        if due_ns is None:
            raise Fault(f"camera {self._settings.name}: its clock stopped")
        self._first_ns = self._first_ns or due_ns
        shown_s, joints = seen_at(np.array(self._shared), due_ns / 1e9 - LATE_FRAMES / self.rate_hz)
        image = draw_arms(joints, self._settings.width, self._settings.height)
        if not math.isnan(shown_s):
            show(image, shown_s)
        write_number(image, round((due_ns - self._first_ns) * self.rate_hz / 1e9))
        jpeg = simplejpeg.encode_jpeg(image, self._settings.quality, colorspace="RGB", colorsubsampling="420")
        return Captured(jpeg, due_ns)

    def close(self) -> None:
        """Nothing to close."""


def draw_arms(qpos: NDArray[np.float64], width: int, height: int) -> Image:
    """(H, W, 3) RGB: all joints as one chain of striped sticks, from the middle of the lower edge upwards.

    Stripes have many edges: what moves must change the image by more than the number that is drawn in it does.
    """
    image = np.full((height, width, 3), GROUND, np.uint8)
    turned = np.cumsum(qpos) / len(qpos) * 2
    steps = np.array([0, -0.8 * height]) / len(qpos)
    lean = np.stack([np.cos(turned), np.sin(turned), -np.sin(turned), np.cos(turned)], axis=1).reshape(-1, 2, 2)
    ends = np.cumsum(np.concatenate([[[width / 2, 0.95 * height]], lean @ steps]), axis=0)
    for share, colour in ((6, STICK), (9, (GROUND,) * 3), (24, STICK)):
        cv2.polylines(image, [np.rint(ends * 8).astype(np.int32)], False, colour, height // share, shift=3)
    return image


def intrinsics(width: int, height: int) -> CameraIntrinsics:
    """Of every emulated camera of this size: what calibrating it should find."""
    across = 0.8 * width
    return CameraIntrinsics(width, height, across, across, 0.51 * width, 0.49 * height, (0.0,) * 5, 0.0, 1)


def show(image: Image, seconds: float) -> None:
    """Draws the board into ``image`` as it is held ``seconds`` after it came into view: wandering, tilting."""
    height, width = image.shape[:2]
    board, at = Board(), 1.5 * seconds
    turn = 0.5 * np.array([np.sin(1.3 * at), np.cos(0.9 * at), np.sin(0.7 * at)])
    place = [-0.13 + 0.12 * np.sin(1.7 * at), -0.09 + 0.08 * np.cos(2.3 * at), 0.42 + 0.08 * np.sin(at)]
    pose = np.column_stack([cv2.Rodrigues(turn)[0][:, :2], place])
    scale = np.diag([board.square_m / BOARD_PX, board.square_m / BOARD_PX, 1.0])
    seen = intrinsics(width, height).matrix @ pose @ scale
    # White around the print, as paper has it: without it the outermost markers are not found.
    paper = np.pad(board.draw(BOARD_PX), BOARD_PX // 2, constant_values=255)
    seen = seen @ np.array([[1, 0, -BOARD_PX / 2], [0, 1, -BOARD_PX / 2], [0, 0, 1]])
    drawn = cv2.warpPerspective(paper, seen, (width, height), flags=cv2.INTER_AREA)
    covered = cv2.warpPerspective(np.full_like(paper, 255), seen, (width, height))
    image[covered > 127] = drawn[covered > 127][:, None]
