"""All cameras of a rig together: kernel devices, video files, or a test pattern where no camera is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from hardware.camera import Source, ThreadedCamera
from hardware.camera_wiring import CameraWiring
from hardware.closing import ClosingTogether
from hardware.emulated_scene import SUFFIX, SceneSource
from hardware.pattern_camera import FileSource, PatternSource
from hardware.v4l2 import V4l2Source
from hardware.wiring import Wiring
from il_robot.control.rate import SystemClock
from il_robot.rig import Camera, Rig

PATTERN = "pattern"
"""As a camera's ``device``: a moving test pattern with the frame's number drawn in it."""


class RigCameras(ClosingTogether):
    """Opens every camera of a rig; each runs in a thread of its own."""

    def __init__(self, rig: Rig, wiring: Wiring, late_s: Mapping[str, float]) -> None:
        """``late_s``: by camera, how late its stamps are (``latency_s`` of calibration.yaml).

        Raises Fault, and leaves none open, when one cannot be opened.
        """
        self.cameras: dict[str, ThreadedCamera] = {}
        """By name."""
        with ExitStack() as opened:
            for settings in rig.cameras:
                source = source_of(settings, wiring.cameras[settings.name])
                camera = ThreadedCamera(settings.name, source, late_s.get(settings.name, 0.0))
                opened.callback(camera.close)
                self.cameras[settings.name] = camera
            self._opened = opened.pop_all()


def source_of(settings: Camera, wiring: CameraWiring) -> Source:
    """What ``device`` in hardware.yaml means: ``pattern``, an emulated lab's scene, a video file, or a device."""
    if wiring.device == PATTERN:
        return PatternSource(settings, wiring.rate_hz, SystemClock())
    path = Path(wiring.device)
    if path.suffix == SUFFIX:
        return SceneSource(settings, wiring.rate_hz, path, SystemClock())
    if path.is_file():
        return FileSource(settings, path, SystemClock())
    return V4l2Source(settings, wiring)


def is_emulated(wiring: CameraWiring) -> bool:
    """Whether this computer makes the pictures: no cable and no light makes such a camera slow."""
    path = Path(wiring.device)
    return wiring.device == PATTERN or path.suffix == SUFFIX or path.is_file()
