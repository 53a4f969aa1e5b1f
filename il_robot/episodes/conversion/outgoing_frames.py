"""The frames of an episode on their way into another format: each seen to be whole, missing ones filled and counted."""

from __future__ import annotations

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
    jpeg = _stored(episode, camera, t)
    try:
        return decode(jpeg, camera.height, camera.width)
    except ValueError as error:
        raise _damaged(episode, camera, t, f"not a whole JPEG: {error}") from None


def whole_jpeg(episode: Episode, camera: CameraInfo, t: int) -> bytes:
    """The JPEG as it was stored. Raises as :func:`whole_image`.

    Its pixels are not needed here, but a checksum tells only that it is what the camera sent: whoever opens the export
    would meet the damage.
    """
    jpeg = _stored(episode, camera, t)
    try:
        decode_eighth(jpeg, camera.height, camera.width)
    except ValueError as error:
        raise _damaged(episode, camera, t, f"not a whole JPEG: {error}") from None
    return jpeg


def _stored(episode: Episode, camera: CameraInfo, t: int) -> bytes:
    try:
        return episode.frame_jpeg(camera.name, t)
    except BadInput as error:
        raise _damaged(episode, camera, t, str(error).removeprefix(f"{episode.path}/")) from None


def _damaged(episode: Episode, camera: CameraInfo, t: int, why: str) -> BadInput:
    return BadInput(f"{episode.path}: camera {camera.name}, step {t}: {why}")
