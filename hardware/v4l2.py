"""Cameras of the kernel (V4L2), through OpenCV: the camera's own JPEG is passed on untouched where it gives one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from hardware.camera import Captured
from hardware.camera_wiring import CONTROLS, CameraWiring
from hardware.errors import group_of
from il_robot.errors import Fault
from il_robot.rig import Camera as CameraSettings

PROPERTIES = {
    "auto_exposure": cv2.CAP_PROP_AUTO_EXPOSURE,
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "auto_white_balance": cv2.CAP_PROP_AUTO_WB,
    "white_balance": cv2.CAP_PROP_WB_TEMPERATURE,
    "autofocus": cv2.CAP_PROP_AUTOFOCUS,
    "focus": cv2.CAP_PROP_FOCUS,
    "gain": cv2.CAP_PROP_GAIN,
    "brightness": cv2.CAP_PROP_BRIGHTNESS,
    "contrast": cv2.CAP_PROP_CONTRAST,
    "saturation": cv2.CAP_PROP_SATURATION,
    "sharpness": cv2.CAP_PROP_SHARPNESS,
    "backlight": cv2.CAP_PROP_BACKLIGHT,
    "zoom": cv2.CAP_PROP_ZOOM,
}
"""OpenCV's number of each control."""
END_OF_JPEG = b"\xff\xd9"
SILENCE_S = 3
"""A device that gives no frame for this long is lost and opened again; the first frame may take a second."""
# OpenCV reads this when it first waits (for 10 s if nobody tells). What it warns of, our faults say in one line.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(SILENCE_S))
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class V4l2Source:
    """One device. See :class:`hardware.camera.Source`."""

    def __init__(self, settings: CameraSettings, wiring: CameraWiring) -> None:
        self.rate_hz = wiring.rate_hz
        self._settings = settings
        self._wiring = wiring
        self._device = cv2.VideoCapture()

    def open(self) -> None:
        """Opens, sets, reads back. Raises Fault when the camera does otherwise than asked."""
        path = Path(self._wiring.device)
        where = f"camera {self._settings.name} ({path})"
        if not path.exists():
            raise Fault(f"{where}: no such device; is it plugged in?")
        if not os.access(path, os.R_OK | os.W_OK):
            raise Fault(f"{where}: no permission; is your user in the group that owns it ({group_of(path)})?")
        if not self._device.open(str(path), cv2.CAP_V4L2):
            raise Fault(f"{where}: cannot open; another program has it, or it gives no picture (as ...-index1)")
        fourcc = cv2.VideoWriter.fourcc(*self._wiring.format)
        asked = {
            "format": (cv2.CAP_PROP_FOURCC, float(fourcc)),
            "width": (cv2.CAP_PROP_FRAME_WIDTH, float(self._settings.width)),
            "height": (cv2.CAP_PROP_FRAME_HEIGHT, float(self._settings.height)),
            "rate": (cv2.CAP_PROP_FPS, self._wiring.rate_hz),
        }
        given = self._wiring.controls
        asked |= {name: (PROPERTIES[name], float(given[name])) for name in CONTROLS if name in given}
        for key, value in asked.values():
            self._device.set(key, value)
        # Raw frames: OpenCV would decode JPEG only for us to encode it again.
        self._device.set(cv2.CAP_PROP_CONVERT_RGB, float(self._wiring.format != "MJPG"))
        for name, (key, value) in asked.items():
            found = self._device.get(key)
            if abs(found - value) > 0.5:
                self.close()
                raise Fault(f"{where}: {name} is {_shown(name, found)} after setting it to {_shown(name, value)}")

    def next(self) -> Captured | None:
        """Waits for the next frame. Raises Fault when the device is gone."""
        ok, image = self._device.read()
        if not ok:
            raise Fault(f"camera {self._settings.name} ({self._wiring.device}): lost or silent; is it plugged in?")
        time_ns = since_1970(self._device.get(cv2.CAP_PROP_POS_MSEC))
        jpeg = as_jpeg(np.asarray(image, np.uint8), self._settings)
        return None if jpeg is None else Captured(jpeg, time_ns)

    def close(self) -> None:
        """Releases the device."""
        self._device.release()


def since_1970(driver_ms: float) -> int:
    """The driver's capture time (monotonic clock, [ms]) in nanoseconds since 1970; now where it gives none."""
    now_ns, age_ns = time.time_ns(), time.monotonic_ns() - round(driver_ms * 1e6)
    plausible = driver_ms > 0 and 0 <= age_ns < 1_000_000_000
    return now_ns - age_ns if plausible else now_ns


def as_jpeg(image: NDArray[np.uint8], settings: CameraSettings) -> bytes | None:
    """A frame as JPEG: the camera's own without the buffer's padding, or an (H, W, 3) BGR image encoded 4:2:0.

    None when the camera's JPEG was cut short or has another size than ``settings``.
    """
    if image.ndim == 3 and image.shape[2] == 3:
        encoded: bytes = simplejpeg.encode_jpeg(
            np.ascontiguousarray(image), settings.quality, colorspace="BGR", colorsubsampling="420"
        )
        return encoded
    buffer = image.tobytes()
    jpeg = buffer[: buffer.rfind(END_OF_JPEG) + len(END_OF_JPEG)]
    if not simplejpeg.is_jpeg(jpeg):
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    except ValueError:
        return None
    return jpeg if (width, height) == (settings.width, settings.height) else None


def _shown(name: str, value: float) -> str:
    if name != "format":
        return f"{value:g}"
    return int(value).to_bytes(4, "little").decode("ascii", "replace")
