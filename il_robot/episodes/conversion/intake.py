"""Stores an episode that came from elsewhere, with computed stamps that are marked as such where it has none.

Axes: T steps, J joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.attributes import read_attributes
from il_robot.episodes.jpeg_codec import decode
from il_robot.episodes.layout import SUFFIX, CameraInfo, EpisodeInfo, Outcome, Validity
from il_robot.episodes.recording import Recording
from il_robot.episodes.staging import staged
from il_robot.errors import BadInput
from il_robot.rig import NS_PER_S
from il_robot.types import Frame, Mode

MAX_STEPS = 1_000_000
"""Five hours at 50 Hz: an episode that claims to be longer has a damaged header."""
MAX_PIXELS = 1 << 26
FPS_RANGE = 0.01, 10_000.0
"""Steps per second that are credible."""


@dataclass(frozen=True)
class Incoming:
    """One episode on its way in."""

    name: str
    info: EpisodeInfo
    """``configuration["imported"]`` is what :func:`origin` gives; ``synthetic_stamps`` is true unless ``columns`` has
    stamps."""
    columns: Mapping[str, NDArray[Any]]
    """Column path (``observations/qpos``, ``action``, ...) -> (T, ...). What is absent becomes NaN, or Mode's -1;
    ``action_asked`` becomes ``action``, stamps are computed. Where ``control/valid`` is there, it decides which frames
    are missing."""
    frames: Iterable[Sequence[bytes | None]]
    """Per step one JPEG per camera; None where there is none, or none that can be decoded."""
    outcome: Outcome = "unmarked"


def origin(format_name: str, place: str, digest: str, **settings: Any) -> dict[str, Any]:
    """Where an episode comes from: ``digest`` of what was recorded tells recordings apart, ``place`` is for people.

    ``settings`` are those by which it was converted, as JSON gives them back.
    """
    return {"format": format_name, "place": place, "digest": digest, "settings": settings}


def credible_fps(fps: float, where: str) -> float:
    """The same. Raises BadInput, which begins with ``where``, for a rate that nothing records at."""
    low, high = FPS_RANGE
    if not low <= fps <= high:
        raise BadInput(f"{where} {fps:g} is not a rate of recording; allowed: {low:g} to {high:g} steps per second")
    return fps


def take_in(dataset: Path, incoming: Incoming) -> bool:
    """Write the episode into ``dataset``; False when an earlier import of the same recording has done it.

    Where something else has its name, the beginning of its digest is added to it. Raises BadInput when the recording
    is there converted by other settings, Fault when the disk fails.
    """
    credible_fps(incoming.info.fps, f"{incoming.name}: fps")
    distinct = f"{incoming.name}_{incoming.info.configuration['imported']['digest'][:8]}"
    if any(_is_there(dataset / f"{name}{SUFFIX}", incoming.info) for name in (incoming.name, distinct)):
        return False
    name = distinct if (dataset / f"{incoming.name}{SUFFIX}").exists() else incoming.name
    steps = len(incoming.columns["action"])
    with staged(dataset, name) as folder:
        recording = Recording(folder, incoming.info, name, minimum_s=steps / incoming.info.fps)
        for t, jpegs in enumerate(incoming.frames):
            row = _row(recording.dtype, incoming, t)
            recording.write(row, _frames(row, incoming.info, jpegs))
        recording.finish(incoming.outcome)
        recording.settle(sync=False)
    return True


def _is_there(folder: Path, info: EpisodeInfo) -> bool:
    """Whether ``folder`` is the recording that ``info`` tells of; what is damaged or unfinished is not."""
    if not folder.exists():
        return False
    try:
        there, recorded = read_attributes(folder)
    except BadInput:
        return False
    ours, theirs = info.configuration["imported"], there.configuration.get("imported")
    if not recorded.complete or not isinstance(theirs, dict) or theirs.get("digest") != ours["digest"]:
        return False
    if (theirs["settings"], there.fps) != (ours["settings"], info.fps):
        before = ", ".join(f"{name} {value}" for name, value in {"fps": there.fps, **theirs["settings"]}.items())
        raise BadInput(f"{folder}: the same recording is there with other settings ({before}): choose another folder")
    return True


def stamp_ns(t: int, fps: float) -> int:
    """The computed time of step ``t``: one period after 0 for the first, so that no stamp is 0."""
    return round((t + 1) * NS_PER_S / fps)


def whole_jpeg(jpeg: bytes, camera: CameraInfo) -> bytes | None:
    """The same, or None when it does not decode to the camera's size."""
    try:
        decode(jpeg, camera.height, camera.width)
    except ValueError:
        return None
    return jpeg


def _row(dtype: np.dtype[Any], incoming: Incoming, t: int) -> NDArray[Any]:
    """Step ``t`` (1,), every frame taken for there."""
    row, time_ns = np.zeros(1, dtype), stamp_ns(t, incoming.info.fps)
    absent = ["observations/qvel", "observations/effort", *(f"observations/objects/{o}" for o in incoming.info.objects)]
    for path in absent:
        row[path] = np.nan
    row["control/mode"] = Mode.DEMONSTRATION
    row["action_asked"] = incoming.columns["action"][t]
    row["time/step_ns"] = time_ns
    for path, value in (("time/joint_ns", time_ns), ("time/camera_ns", time_ns), ("time/camera_sequence", t + 1)):
        if path in row.dtype.names:
            row[path] = value
    if "control/valid" in row.dtype.names:
        row["control/valid"] = Validity.FRESH
    for path, values in incoming.columns.items():
        row[path] = values[t]
    return row


def _frames(row: NDArray[Any], info: EpisodeInfo, jpegs: Sequence[bytes | None]) -> list[Frame | None]:
    """The frames with the stamps of ``row``; those that it calls missing are left out."""
    frames: list[Frame | None] = []
    for c, jpeg in enumerate(jpegs):
        there = jpeg is not None and row["control/valid"][0, len(info.followers) + c] != Validity.MISSING
        stamps = int(row["time/camera_ns"][0, c]), int(row["time/camera_sequence"][0, c])
        frames.append(Frame(jpeg, *stamps) if there and jpeg is not None else None)
    return frames
