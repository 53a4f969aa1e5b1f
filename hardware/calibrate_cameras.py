"""Calibrates a camera, guided: the operator moves a ChArUco board about, views that add something are kept."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import simplejpeg

from calibration.camera import MIN_CORNERS, Board, BoardView, find_board, find_intrinsics
from calibration.intrinsics import CameraIntrinsics
from hardware.camera import Camera
from il_robot.errors import Fault
from il_robot.rig import Camera as CameraSettings

VIEWS = 20
APART = 0.06
"""A new view's corners lie, on average, at least this share of the image's width from every earlier view's."""
PATIENCE_S = 60.0
"""Without a new view for this long it gives up."""

Tell = Callable[[str], None]


def calibrate_camera(
    camera: Camera, settings: CameraSettings, board: Board, tell: Tell, patience_s: float = PATIENCE_S
) -> CameraIntrinsics:
    """Watches ``camera`` until it has 20 views of ``board`` that differ. ``tell`` hears of each.

    Raises Fault when no new view comes for a minute or the camera is lost, BadInput when the views do not fit.
    """
    tell(f"{settings.name}: move the board through the whole image: near, far, into the corners, tilted")
    views: list[BoardView] = []
    sequence, found_s = -1, time.monotonic()
    while len(views) < VIEWS:
        if time.monotonic() - found_s > patience_s:
            raise Fault(f"camera {settings.name}: {len(views)} of {VIEWS} views, and no new one for {patience_s:g} s")
        frame = camera.wait_newer(sequence, timeout_s=0.5)
        if frame is None:
            continue
        sequence = frame.sequence
        view = find_board(simplejpeg.decode_jpeg(frame.jpeg, colorspace="RGB"), board)
        if view is not None and all(_apart(view, other) > APART * settings.width for other in views):
            views.append(view)
            found_s = time.monotonic()
            tell(f"{settings.name}: view {len(views)} of {VIEWS}")
    return find_intrinsics(views, settings.width, settings.height)


def _apart(view: BoardView, other: BoardView) -> float:
    """Mean distance of the corners that both show [px]; infinite when they share too few."""
    ours = {tuple(point): corner for point, corner in zip(view.points, view.corners, strict=True)}
    pairs = [(ours[key], c) for p, c in zip(other.points, other.corners, strict=True) if (key := tuple(p)) in ours]
    if len(pairs) < MIN_CORNERS:
        return np.inf
    return float(np.mean([np.linalg.norm(a - b) for a, b in pairs]))
