"""``il-robot dataset view``: an episode in the Rerun viewer, everything on one time line.

Axes: T steps, J joints.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tyro.conf import Positional

from il_robot.episodes.conversion.library import library
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, Fault

_TIMELINE = "time"
_VIEWER = "127.0.0.1", 9876
"""Where a Rerun viewer listens."""


def view(episode: Positional[Path], /, out: Path | None = None) -> int:
    """Show an episode in the Rerun viewer: images, joints, actions and who drove on one time line.

    Examples:
        il-robot dataset view data/cube/20260101T120000_000.zarr
        il-robot dataset view data/cube/20260101T120000_000.zarr --out episode.rrd

    Args:
        episode: an episode folder.
        out: write this .rrd file instead of opening the viewer.
    """
    rerun = library("rerun", "view")
    shown = Episode(episode)
    if shown.steps == 0:
        raise BadInput(f"{episode}: no step in it")
    stream = rerun.RecordingStream("il-robot", recording_id=shown.id)
    if out is None:
        if not _can_show():
            raise BadInput("no display to open the viewer on: write a file for another machine with --out FILE.rrd")
        stream.spawn(port=_VIEWER[1])
    else:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stream.save(str(out))
        except (OSError, RuntimeError) as error:
            raise Fault(f"{out}: cannot be written: {error}") from None
    log_episode(rerun, stream, shown)
    stream.flush()
    stream.disconnect()
    if out is not None:
        print(out)
    return 0


def log_episode(rerun: Any, stream: Any, episode: Episode) -> None:
    """Send the whole episode into a Rerun recording stream."""
    vectors = {
        "position": episode.qpos,
        "action": episode.action,
        "asked": episode.action_asked,
        "velocity": episode.qvel,
        "effort": episode.effort,
    }
    ticks = _times(rerun, episode, episode.step_ns)
    for name, values in vectors.items():
        for j, joint in enumerate(episode.info.joint_names):
            if np.isfinite(values[:, j]).any():
                columns = rerun.Scalars.columns(scalars=values[:, j].astype(np.float64))
                stream.send_columns(f"{joint}/{name}", indexes=[ticks], columns=columns)
    for name, codes in (("mode", episode.mode), ("intervention", episode.intervention), ("gate", episode.gate)):
        columns = rerun.Scalars.columns(scalars=codes.astype(np.float64))
        stream.send_columns(f"control/{name}", indexes=[ticks], columns=columns)
    changes = [0, *(np.flatnonzero(np.diff(episode.mode)) + 1).tolist()]
    drivers = rerun.TextLog.columns(text=[episode.driver(t).name.lower() for t in changes])
    stream.send_columns("control/driver", indexes=[_times(rerun, episode, episode.step_ns[changes])], columns=drivers)
    for c, camera in enumerate(episode.info.camera_names):
        # Only frames that came: a missing one must not look black, a repeated one is on screen already.
        for t in np.flatnonzero(episode.validity(camera) == Validity.FRESH).tolist():
            _set_time(stream, episode, int(episode.camera_ns[t, c]))
            image = rerun.EncodedImage(contents=episode.frame_jpeg(camera, t), media_type="image/jpeg")
            stream.log(f"cameras/{camera}", image)


def _can_show() -> bool:
    """Whether a window can be opened, or a viewer listens already, perhaps through a tunnel: ``spawn`` takes that."""
    if sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET")
    ):
        return True
    try:
        socket.create_connection(_VIEWER, timeout=1.0).close()
    except OSError:
        return False
    return True


def _times(rerun: Any, episode: Episode, stamps: Any) -> Any:
    """Stamps [ns] as a time line: dates where the clock counts from 1970, else durations."""
    if _has_dates(episode):
        return rerun.TimeColumn(_TIMELINE, timestamp=stamps.astype("datetime64[ns]"))
    return rerun.TimeColumn(_TIMELINE, duration=stamps.astype("timedelta64[ns]"))


def _set_time(stream: Any, episode: Episode, stamp: int) -> None:
    if _has_dates(episode):
        stream.set_time(_TIMELINE, timestamp=np.datetime64(stamp, "ns"))
    else:
        stream.set_time(_TIMELINE, duration=np.timedelta64(stamp, "ns"))


def _has_dates(episode: Episode) -> bool:
    return episode.info.clock == "system" and not episode.info.synthetic_stamps
