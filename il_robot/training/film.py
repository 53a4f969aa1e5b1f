"""A film of an episode: all cameras of the rig side by side."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim.task import Milestone
from il_robot.types import Floats, Image, Observation


def grid(images: list[Image]) -> Image:
    """(H, W, 3) images as one, in rows as long as there are rows; a camera of another size is fitted to the first."""
    height, width = images[0].shape[:2]
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    whole = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        fitted = image if image.shape[:2] == (height, width) else cv2.resize(image, (width, height))
        whole[row * height : (row + 1) * height, column * width : (column + 1) * width] = fitted
    return whole


def check_film(path: Path, rig: Rig) -> None:
    """Raises BadInput when no film of ``rig`` can be written to ``path``: no camera, no .mp4 file, no folder for it."""
    if not rig.cameras:
        raise BadInput(f"--video {path}: rig {rig.name} has no camera")
    if path.suffix != ".mp4":
        raise BadInput(f"--video {path}: the file must end in .mp4")
    if path.is_dir():
        raise BadInput(f"--video {path}: is a folder; allowed: a .mp4 file")
    if not path.parent.is_dir():
        raise BadInput(f"--video {path}: no such folder: {path.parent}")


class Film:
    """Writes MPEG-4 while entered; every step added is a frame."""

    def __init__(self, path: Path, rig: Rig) -> None:
        """Raises BadInput as :func:`check_film` does, and when ``path`` cannot be written."""
        check_film(path, rig)
        size = grid([np.zeros((camera.height, camera.width, 3), np.uint8) for camera in rig.cameras]).shape
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), code, rig.rate_hz, (size[1], size[0]))
        if not self._writer.isOpened():
            raise BadInput(f"--video {path}: cannot be written")
        self._cameras = rig.camera_names

    def add(self, index: int, observation: Observation, action: Floats, milestone: Milestone) -> None:
        """One frame: a listener of :func:`il_robot.sim.rollout.run`."""
        whole = grid([observation.images[name] for name in self._cameras])
        text = milestone.name.lower()
        cv2.putText(whole, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
        self._writer.write(cv2.cvtColor(whole, cv2.COLOR_RGB2BGR))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._writer.release()
