"""Training images: decoded once, shrunk to the policy's resolution, kept as bytes in an unlinked file.

The file is the page cache's to keep or drop, so a dataset larger than the memory still trains.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.errors import Fault
from il_robot.policies.inputs import CameraInput, image_of
from il_robot.training.damaged import told_to_prune
from il_robot.types import Image


def decode_images(
    episodes: Sequence[Episode],
    cameras: Sequence[CameraInput],
    folder: Path,
    done: Callable[[int], None] = lambda frames: None,
    threads: int = 1,
) -> dict[str, Image]:
    """camera name -> (N, H, W, 3) of all steps of ``episodes``, one after another; what is missing stays black.

    ``done`` is told of every episode's frames. Raises Fault when the disk of ``folder`` is too full and BadInput
    for a damaged frame.
    """
    offsets = np.cumsum([0, *(episode.steps for episode in episodes)])
    images = {camera.name: _on_disk((int(offsets[-1]), camera.height, camera.width, 3), folder) for camera in cameras}

    def decode_one(number: int) -> int:
        episode, frames = episodes[number], 0
        for camera in cameras:
            if camera.name not in episode.info.camera_names:
                continue
            out = images[camera.name][offsets[number] :]
            with told_to_prune():
                for t in np.flatnonzero(episode.validity(camera.name) != Validity.MISSING):
                    out[t] = image_of(episode.image(camera.name, int(t)), camera)
                    frames += 1
        return frames

    with ThreadPoolExecutor(threads) as pool:
        for frames in pool.map(decode_one, range(len(episodes))):
            done(frames)
    return images


def _on_disk(shape: tuple[int, ...], folder: Path) -> Image:
    size = int(np.prod(shape))
    if size == 0:
        return np.zeros(shape, np.uint8)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise Fault(f"{folder}: no room for {size / 1e6:.0f} MB of training images: {error.strerror}") from None
