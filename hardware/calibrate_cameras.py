"""Calibrates cameras, guided: the operator moves a ChArUco board about, views that add something are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import simplejpeg

from calibration.arm import RigCalibration, load_calibration, update_calibration
from calibration.board_views import CamerasProgress, CameraViews, no_views
from calibration.camera import MIN_CORNERS, MIN_COVERED, Board, BoardView, covered, find_board, find_intrinsics
from calibration.guide import Say
from calibration.intrinsics import CameraIntrinsics
from calibration.report import add_to_report, load_report
from calibration.state import CAMERAS, unfinished_file
from hardware.camera import Camera
from il_robot.errors import BadInput, Fault
from il_robot.rig import Camera as CameraSettings

VIEWS = 20
APART = 0.06
"""A new view's corners lie, on average, at least this share of the image's width from every earlier view's."""
PATIENCE_S = 60.0
"""Without a new view for this long it gives up."""
SAY_S = 3.0
"""While no view comes, it says this often what it sees."""

Opened = Callable[[CameraSettings], Camera]
"""Opens a camera of the rig."""


def calibrate_cameras(
    cameras: list[CameraSettings],
    opened: Opened,
    controls: dict[str, dict[str, int]],
    prior: RigCalibration,
    path: Path,
    say: Say,
    board: Board,
    patience_s: float = PATIENCE_S,
) -> None:
    """Leads through ``cameras`` and writes ``path`` after each, and a report beside it.

    Every view is kept as it is taken: started again after an interruption, however it came, it goes on where it was.
    ``controls``: by camera, how it is set. Raises BadInput or Fault.
    """
    unfinished = unfinished_file(path, CAMERAS)
    progress = CamerasProgress.resume(unfinished)
    for settings in cameras:
        name = settings.name
        kept = progress.cameras.get(name)
        if kept is not None and kept.done and name not in _calibrated(path):
            say(f"{name}: was calibrated, but {path} does not have it any more: from the beginning")
            kept = None
        views = _kept(kept, no_views(board, settings, controls[name]), name, say)
        if views.done:
            continue

        def keep(views: CameraViews, name: str = name) -> None:
            progress.cameras[name] = views
            progress.save(unfinished)

        views = _collect(settings, views, opened, keep, say, patience_s)
        try:
            found, report = find_intrinsics(views.views, board, settings.width, settings.height)
        except BadInput as error:
            progress.forget([name])
            progress.save(unfinished)
            raise BadInput(f"camera {name}, its views are thrown away: {error}") from None
        # After each: the next one may be interrupted.
        prior = _written(path, prior, name, found)
        add_to_report(path, cameras={**load_report(path).cameras, name: report})
        keep(replace(views, done=True, rows=()))
        say(f"{name}: reprojection error {found.error_px:.2f} px over {found.views} views")
    progress.forget([settings.name for settings in cameras])
    progress.save(unfinished)


def _calibrated(path: Path) -> dict[str, CameraIntrinsics]:
    return load_calibration(path).cameras if path.exists() else {}


def _written(path: Path, prior: RigCalibration, camera: str, found: CameraIntrinsics) -> RigCalibration:
    return update_calibration(path, prior, lambda now: replace(now, cameras={**now.cameras, camera: found}))


def _kept(before: CameraViews | None, asked: CameraViews, name: str, say: Say) -> CameraViews:
    """The views of before, if they may be gone on with, else ``asked``; says which."""
    if before is None:
        return asked
    if unlike := before.unlike(asked):
        say(f"{name}: what is kept from {before.since} is of another {' and '.join(unlike)}: not used")
        return asked
    what = "calibrated" if before.done else f"{len(before.rows)} of {VIEWS} views"
    say(f"{name}: {what}, kept from before ({before.since}; --afresh forgets it)")
    return before


def _collect(
    settings: CameraSettings,
    views: CameraViews,
    opened: Opened,
    keep: Callable[[CameraViews], None],
    say: Say,
    patience_s: float,
) -> CameraViews:
    """``views`` and as many more as it takes; ``keep`` gets each at once. Raises Fault."""
    if _enough(views):
        return views
    name, sequence = settings.name, -1
    say(f"{name}: move the board through the whole image: near, far, into the corners, tilted")
    with closing(opened(settings)) as camera:
        found_s, said_s = time.monotonic(), -math.inf
        while not _enough(views):
            waited_s = time.monotonic() - found_s
            if waited_s > patience_s:
                raise Fault(f"camera {name}: {len(views.rows)} of {VIEWS} views, and no new one for {patience_s:g} s")
            frame = camera.wait_newer(sequence, timeout_s=0.5)
            view, sees = None, "no image yet"
            if frame is not None:
                sequence = frame.sequence
                view = find_board(simplejpeg.decode_jpeg(frame.jpeg, colorspace="RGB"), views.board)
                sees = _seen(view, views)
            if view is not None and not sees:
                views = views.with_view(view, time.strftime("%Y-%m-%d %H:%M"))
                keep(views)
                found_s = said_s = time.monotonic()
                say(f"{name}: view {len(views.rows)} of {VIEWS}{_still_missing(views)}")
            elif time.monotonic() - said_s >= SAY_S:
                said_s = time.monotonic()
                say(f"{name}: {sees} ({len(views.rows)} of {VIEWS} views; gives up in {patience_s - waited_s:.0f} s)")
    return views


def _enough(views: CameraViews) -> bool:
    return len(views.rows) >= VIEWS and min(covered(views.views, views.width, views.height)) >= MIN_COVERED


def _still_missing(views: CameraViews) -> str:
    """What more views than usual are for."""
    if len(views.rows) < VIEWS or _enough(views):
        return ""
    across, down = covered(views.views, views.width, views.height)
    return f"; the board was in {across:.0%} of the width and {down:.0%} of the height: show it at the edges, too"


def _seen(view: BoardView, views: CameraViews) -> str:
    """Why a view adds nothing; empty when it does."""
    if not len(view.ids):
        return "no board in view"
    if not view.usable:
        return f"{len(view.ids)} corners of the board in view, at least {MIN_CORNERS} are needed: show more of it"
    if any(_apart(view, other) <= APART * views.width for other in views.views):
        return "the board was seen like this already: move it, tilt it"
    return ""


def _apart(view: BoardView, other: BoardView) -> float:
    """Mean distance of the corners that both show [px]; infinite when they share too few."""
    _, ours, theirs = np.intersect1d(view.ids, other.ids, return_indices=True)
    if len(ours) < MIN_CORNERS:
        return np.inf
    return float(np.linalg.norm(view.corners[ours] - other.corners[theirs], axis=1).mean())
