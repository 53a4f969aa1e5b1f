"""All cameras of a rig together: kernel devices, video files, or a test pattern where no camera is."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from hardware.camera import Source, ThreadedCamera
from hardware.pattern_camera import FileSource, PatternSource
from hardware.v4l2 import V4l2Source
from hardware.wiring import CameraWiring, Wiring
from il_robot.control.rate import SystemClock
from il_robot.rig import Camera, Rig

PATTERN = "pattern"
"""As a camera's ``device``: a moving test pattern with the frame's number drawn in it."""


class RigCameras:
    """Opens every camera of a rig; each runs in a thread of its own."""

    def __init__(self, rig: Rig, wiring: Wiring) -> None:
        """Raises Fault, and leaves none open, when one cannot be opened."""
        self.cameras: dict[str, ThreadedCamera] = {}
        """By name."""
        with ExitStack() as opened:
            for settings in rig.cameras:
                camera = ThreadedCamera(settings.name, source_of(settings, wiring.cameras[settings.name]))
                opened.callback(camera.close)
                self.cameras[settings.name] = camera
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Ends every stream."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def source_of(settings: Camera, wiring: CameraWiring) -> Source:
    """What ``device`` in hardware.yaml means: ``pattern``, a video file, or a kernel device."""
    if wiring.device == PATTERN:
        return PatternSource(settings, wiring.rate_hz, SystemClock())
    path = Path(wiring.device)
    if path.is_file():
        return FileSource(settings, path, SystemClock())
    return V4l2Source(settings, wiring)
