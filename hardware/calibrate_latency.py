"""Measures how late cameras are: an arm is moved by hand in their view, and its motion is found again in the images."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from calibration.latency import Lag, find_lag
from hardware.arm import Arm
from hardware.camera import Camera
from il_robot.control.rate import DeadlineLoop, SystemClock
from il_robot.errors import BadInput, Fault

READ_HZ = 100.0
SMALL = (80, 60)
"""Images are compared at this width and height: motion survives, noise does not."""
SMOOTH_S = 0.1
GRID_NS = 5_000_000
Signal = tuple[NDArray[np.int64], NDArray[np.float64]]
"""(n,) stamps [ns] and (n,) how much moved."""


def measure_latency(arm: Arm, cameras: Mapping[str, Camera], seconds: float) -> dict[str, Lag]:
    """By camera: how much later its stamps are than what its images show, against the stamps of ``arm``.

    The arm must be moved irregularly in view of every camera meanwhile. Raises BadInput naming the camera that does
    not see it move, Fault when a device is lost.
    """
    until_s = time.monotonic() + seconds
    watchers = {name: _Watcher(name, camera, until_s) for name, camera in cameras.items()}
    for watcher in watchers.values():
        watcher.thread.start()
    reference = _arm_motion(arm, until_s)
    found = {}
    for name, watcher in watchers.items():
        try:
            found[name] = find_lag(*reference, *watcher.motion())
        except BadInput as error:
            raise BadInput(f"camera {name}: {error}") from None
    return found


def _arm_motion(arm: Arm, until_s: float) -> Signal:
    loop = DeadlineLoop(SystemClock(), round(1e9 / READ_HZ))
    states = []
    while time.monotonic() < until_s:
        loop.wait()
        state = arm.read()
        if state is not None:
            states.append((state.time_ns, state.qpos))
    if len(states) < 2:
        raise Fault("the arm did not answer while it was watched")
    stamps = np.array([time_ns for time_ns, _ in states])
    moved = np.abs(np.diff([qpos for _, qpos in states], axis=0)).sum(axis=1)
    return _as_rate(stamps, moved)


def _as_rate(stamps: NDArray[np.int64], moved: NDArray[np.floating]) -> Signal:
    """How fast it moved, every 5 ms, each over the 0.1 s around: sampling that stutters does not show in it.

    ``stamps`` (n,) [ns]; ``moved`` (n - 1,) what moved between each two of them.
    """
    path = np.concatenate([[0.0], np.cumsum(moved)])
    half_ns = round(SMOOTH_S * 1e9 / 2)
    grid = np.arange(stamps[0] + half_ns, stamps[-1] - half_ns, GRID_NS)
    ends = [np.interp(grid + shift - stamps[0], stamps - stamps[0], path) for shift in (half_ns, -half_ns)]
    return grid, ends[0] - ends[1]


class _Watcher:
    """Collects one camera's frames, small and grey."""

    def __init__(self, name: str, camera: Camera, until_s: float) -> None:
        self._name = name
        self._camera = camera
        self._until_s = until_s
        self._frames: list[tuple[int, NDArray[np.int16]]] = []
        self._fault: Fault | None = None
        self.thread = threading.Thread(target=self._watch, name=f"watch {name}", daemon=True)

    def _watch(self) -> None:
        sequence = -1
        try:
            while time.monotonic() < self._until_s:
                frame = self._camera.wait_newer(sequence, timeout_s=0.1)
                if frame is None:
                    continue
                sequence = frame.sequence
                grey = simplejpeg.decode_jpeg(frame.jpeg, colorspace="GRAY")[:, :, 0]
                small = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
                self._frames.append((frame.time_ns, small.astype(np.int16)))
        except Fault as fault:
            self._fault = fault

    def motion(self) -> Signal:
        """How much each image differs from the one before. Raises Fault when the camera was lost."""
        self.thread.join()
        if self._fault is not None:
            raise self._fault
        if len(self._frames) < 2:
            raise Fault(f"camera {self._name}: no images while it was watched")
        stamps = np.array([time_ns for time_ns, _ in self._frames])
        changed = np.abs(np.diff([image for _, image in self._frames], axis=0)).mean(axis=(1, 2))
        return _as_rate(stamps, changed)
