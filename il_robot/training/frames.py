"""Frames of episodes as if they lay decoded in one array: each is decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.policies.inputs import CameraInput, image_of
from il_robot.training.damaged import told_to_prune
from il_robot.types import Image


class Frames:
    """All frames of one camera in ``episodes``, one episode after another; what is missing is black.

    Pickling sends the paths only, so that worker processes read for themselves.
    """

    def __init__(self, episodes: Sequence[Episode], camera: CameraInput) -> None:
        self._episodes = list(episodes)
        self._camera = camera
        self._first = np.cumsum([0, *(episode.steps for episode in episodes)])

    def __getitem__(self, rows: NDArray[np.int64]) -> Image:
        """(..., H, W, 3) uint8 of the rows (...). Raises BadInput for a damaged frame."""
        images = np.zeros((rows.size, self._camera.height, self._camera.width, 3), np.uint8)
        for image, row in zip(images, rows.ravel().tolist(), strict=True):
            number = int(np.searchsorted(self._first, row, side="right")) - 1
            self._decode(self._episodes[number], row - int(self._first[number]), image)
        return images.reshape(*rows.shape, *images.shape[1:])

    @told_to_prune()
    def _decode(self, episode: Episode, t: int, out: Image) -> None:
        camera = self._camera
        if not has_frame(episode, camera.name, t):
            return
        info = episode.info.cameras[episode.info.camera_names.index(camera.name)]
        if (info.height, info.width) == (camera.height, camera.width):
            episode.image(camera.name, t, out)
        else:
            out[:] = image_of(episode.image(camera.name, t), camera)


def has_frame(episode: Episode, camera: str, t: int) -> bool:
    """Whether ``episode`` has this camera at all, and a frame of it at step ``t``."""
    return camera in episode.info.camera_names and bool(episode.validity(camera)[t] != Validity.MISSING)
