"""The camera strip: several moments of an episode, each seen by every camera, as small embedded JPEGs."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.types import Mode

MOMENTS = 8
WIDTH = 320
"""No picture is wider [px]."""


@dataclass(frozen=True)
class Moment:
    """One step of an episode."""

    seconds: float
    driver: str
    """``human``, ``policy``, ``hand-over``, or empty in a demonstration."""
    pictures: tuple[str, ...]
    """One per camera: a data URI, or empty where the frame is missing."""


@dataclass(frozen=True)
class Strip:
    cameras: tuple[str, ...]
    moments: tuple[Moment, ...]


_DRIVERS = {Mode.HUMAN: "human", Mode.ROBOT: "policy", Mode.TRANSITION: "hand-over", Mode.DEMONSTRATION: ""}


def strip(episode: Episode) -> Strip | None:
    """Moments at even times from the first step to the last; None where there is nothing to see."""
    names = episode.info.camera_names
    if not names or not episode.steps:
        return None
    steps = np.unique(np.linspace(0, episode.steps - 1, MOMENTS).round().astype(int)).tolist()
    begin = int(episode.step_ns[0])
    return Strip(
        names,
        tuple(
            Moment(
                seconds=(int(episode.step_ns[t]) - begin) / 1e9,
                driver=_DRIVERS[episode.driver(t)],
                pictures=tuple(_picture(episode, name, t) for name in names),
            )
            for t in steps
        ),
    )


def _picture(episode: Episode, camera: str, t: int) -> str:
    if episode.validity(camera)[t] == Validity.MISSING:
        return ""
    image = episode.image(camera, t)
    stride = -(-image.shape[1] // WIDTH)
    jpeg = encode(np.ascontiguousarray(image[::stride, ::stride]), 80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
