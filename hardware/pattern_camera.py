"""Images that say which frame they are, and cameras without a camera: a moving pattern, a video file."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from hardware.camera import Captured
from il_robot.control.rate import Clock, DeadlineLoop
from il_robot.errors import BadInput, Fault
from il_robot.rig import Camera as CameraSettings
from il_robot.types import Image

BITS = 32
DARK, LIGHT = 20, 235


def draw_frame(number: int, width: int, height: int) -> Image:
    """(H, W, 3) RGB: a pattern that moves, and ``number`` in it."""
    image = np.empty((height, width, 3), np.uint8)
    image[:, :, 0] = (np.arange(width) + 3 * number) % 256
    image[:, :, 1] = ((np.arange(height) + number) % 256)[:, None]
    image[:, :, 2] = 96
    center = (int(width * (0.5 + 0.4 * np.sin(number / 20))), int(height * (0.6 + 0.25 * np.cos(number / 20))))
    cv2.circle(image, center, height // 10, (240, 240, 30), -1)
    write_number(image, number)
    return image


def write_number(image: Image, number: int) -> None:
    """Draws ``number`` into an (H, W, 3) image: in digits, and in a bar code along its top edge."""
    height, width = image.shape[:2]
    cv2.putText(image, str(number), (8, height - 12), cv2.FONT_HERSHEY_SIMPLEX, height / 240, (255, 255, 255), 2)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        image[: _bar_height(height), edges[bit] : edges[bit + 1]] = LIGHT if number >> bit & 1 else DARK


def read_frame(image: Image) -> int:
    """The number that :func:`write_number` drew, also after JPEG and any change of size. (H, W, 3) RGB."""
    height, width = image.shape[:2]
    bar = image[: max(1, _bar_height(height) // 2)].mean(axis=(0, 2))
    edges = np.linspace(0, width, BITS + 1)
    middles = [bar[int(a + (b - a) / 4) : int(np.ceil(b - (b - a) / 4))].mean() for a, b in itertools.pairwise(edges)]
    return sum(int(middle > (DARK + LIGHT) / 2) << bit for bit, middle in enumerate(middles))


def _bar_height(height: int) -> int:
    return max(8, height // 15)


class PatternSource:
    """The moving pattern at an exact rate. Frame n is captured n periods after the first."""

    def __init__(self, settings: CameraSettings, rate_hz: float, clock: Clock) -> None:
        self.rate_hz = rate_hz
        self._settings = settings
        self._loop = DeadlineLoop(clock, round(1e9 / rate_hz))
        self._first_ns: int | None = None

    def open(self) -> None:
        """Nothing to open."""

    def next(self) -> Captured | None:
        """Waits until the next frame is due. Raises Fault when its clock stops."""
        due_ns = self._loop.wait()
        if due_ns is None:
            raise Fault(f"camera {self._settings.name}: its clock stopped")
        self._first_ns = self._first_ns or due_ns
        number = round((due_ns - self._first_ns) * self.rate_hz / 1e9)
        image = draw_frame(number, self._settings.width, self._settings.height)
        jpeg = simplejpeg.encode_jpeg(image, self._settings.quality, colorspace="RGB", colorsubsampling="420")
        return Captured(jpeg, due_ns)

    def close(self) -> None:
        """Nothing to close."""


class FileSource:
    """A video file played in a loop at its own rate, scaled to the camera's size."""

    def __init__(self, settings: CameraSettings, path: Path, clock: Clock) -> None:
        """Raises BadInput when it is no video."""
        self._settings = settings
        self._path = path
        self._video = cv2.VideoCapture(str(path))
        self.rate_hz = float(self._video.get(cv2.CAP_PROP_FPS))
        if not self._video.isOpened() or not self.rate_hz > 0:
            raise BadInput(f"camera {settings.name}: {path} is not a video that can be read")
        self._loop = DeadlineLoop(clock, round(1e9 / self.rate_hz))

    def open(self) -> None:
        """From the first frame. Raises Fault."""
        if not self._video.open(str(self._path)):
            raise Fault(f"camera {self._settings.name}: {self._path} cannot be read")

    def next(self) -> Captured | None:
        """Waits until the next frame is due. Raises Fault when the file is gone."""
        due_ns = self._loop.wait()
        ok, image = self._video.read()
        if not ok:
            self.open()
            ok, image = self._video.read()
        if not ok or due_ns is None:
            raise Fault(f"camera {self._settings.name}: {self._path} cannot be read any more")
        size = (self._settings.width, self._settings.height)
        if image.shape[1::-1] != size:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        jpeg = simplejpeg.encode_jpeg(image, self._settings.quality, colorspace="BGR", colorsubsampling="420")
        return Captured(jpeg, due_ns)

    def close(self) -> None:
        """Closes the file."""
        self._video.release()
