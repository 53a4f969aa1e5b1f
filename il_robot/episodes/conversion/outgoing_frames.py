"""The frames of an episode on their way into another format: each seen to be whole, missing ones filled and counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.jpeg_codec import decode, decode_eighth
from il_robot.episodes.layout import CameraInfo, Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Image


def filled_steps(episode: Episode, camera: str) -> NDArray[np.int64]:
    """(T,) whose frame to show at each step in a format that knows no missing frames: the newest until then.

    Before the first frame it is the first. Raises BadInput when the camera has no frame at all.
    """
    there = episode.validity(camera) != Validity.MISSING
    if not there.any():
        raise BadInput(f"{episode.path}: camera {camera} has no frame in this episode")
    newest = np.maximum.accumulate(np.where(there, np.arange(episode.steps), -1))
    return np.where(newest < 0, int(np.argmax(there)), newest)


def missing_frames(episode: Episode) -> int:
    """How many frames :func:`filled_steps` has to make up, over all cameras."""
    return sum(int((episode.validity(camera) == Validity.MISSING).sum()) for camera in episode.info.camera_names)


def whole_image(episode: Episode, camera: CameraInfo, t: int) -> Image:
    """(H, W, 3) RGB. Raises BadInput, which names episode, camera and step, when the frame is damaged."""
    return _decoded(episode, camera, t, decode)[1]


def whole_jpeg(episode: Episode, camera: CameraInfo, t: int) -> bytes:
    """The JPEG as it was stored. Raises as :func:`whole_image`.

    Its pixels are not needed here, but a checksum tells only that it is what the camera sent: whoever opens the export
    would meet the damage.
    """
    return _decoded(episode, camera, t, decode_eighth)[0]


def _decoded(
    episode: Episode, camera: CameraInfo, t: int, decoder: Callable[[bytes, int, int], Image]
) -> tuple[bytes, Image]:
    """A stored frame, and what ``decoder`` (jpeg, height, width) makes of it."""
    where = f"{episode.path}: camera {camera.name}, step {t}"
    try:
        jpeg = episode.frame_jpeg(camera.name, t)
    except BadInput as error:
        raise BadInput(f"{where}: {str(error).removeprefix(f'{episode.path}/')}") from None
    try:
        return jpeg, decoder(jpeg, camera.height, camera.width)
    except ValueError as error:
        raise BadInput(f"{where}: not a whole JPEG: {error}") from None
