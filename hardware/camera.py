"""Cameras: the newest encoded frame, its capture time, and a count of what was lost.

A camera is a thread around a source (a V4L2 device, a video file, a test pattern), so all cameras share stamping,
counting, loss and reopening.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from il_robot.errors import Fault
from il_robot.types import Frame

REOPEN_S = 0.5
STALE_PERIODS = 10
STALE_MIN_S = 1.0


@dataclass(frozen=True)
class Captured:
    """What a source delivers."""

    jpeg: bytes
    time_ns: int
    """When it was captured, nanoseconds since 1970."""


class Source(Protocol):
    """Where frames come from. Used by one thread only."""

    rate_hz: float
    """Frames a second it is set to."""

    def open(self) -> None:
        """Starts delivering. Raises Fault."""
        ...

    def next(self) -> Captured | None:
        """Waits for the next frame; None when this one was unusable. Raises Fault when the device is gone."""
        ...

    def close(self) -> None:
        """Releases the device. May be called at any time, also twice."""
        ...


@dataclass(frozen=True)
class CameraHealth:
    """What happened since the camera was opened."""

    frames: int
    skipped: int
    """Frames the camera made, judged by the gaps between capture times, that never arrived here."""
    corrupt: int
    """Frames that arrived unusable; they are none of the skipped."""
    reopened: int


class Camera(Protocol):
    """A stream of JPEG frames."""

    def latest(self) -> Frame | None:
        """The newest frame; None before the first. Raises Fault while the camera is lost."""
        ...

    def wait_newer(self, sequence: int, timeout_s: float) -> Frame | None:
        """The newest frame with a higher sequence, None when none came in time. Raises Fault while it is lost."""
        ...

    def health(self) -> CameraHealth: ...

    def close(self) -> None:
        """Ends the stream. May be called twice."""
        ...


class ThreadedCamera:
    """A source read by its own thread; a device that was lost is opened again until it is back."""

    def __init__(self, name: str, source: Source, late_s: float = 0.0) -> None:
        """Opens the source in the caller's thread, so that a camera that does not start is a Fault right here.

        ``late_s``: how late the source's stamps are, as measured by calibration; frames carry what is left without it.
        """
        self._late_ns = round(late_s * 1e9)
        self._name = name
        self._source = source
        self._fresh = threading.Condition()
        self._closing = threading.Event()
        self._newest: Frame | None = None
        self._arrived_s = time.monotonic()
        self._lost: Fault | None = None
        self._frames = self._skipped = self._corrupt = self._reopened = 0
        self._corrupt_since = 0
        """Since the newest frame."""
        self._stale_s = max(STALE_MIN_S, STALE_PERIODS / source.rate_hz)
        source.open()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)
        self._thread.start()

    def latest(self) -> Frame | None:
        """The newest frame; None before the first. Raises Fault while the camera is lost or silent."""
        with self._fresh:
            if self._lost is not None:
                raise self._lost
            silent_s = time.monotonic() - self._arrived_s
            if silent_s > self._stale_s:
                raise Fault(f"camera {self._name}: no frame for {silent_s:.1f} s")
            return self._newest

    def wait_newer(self, sequence: int, timeout_s: float) -> Frame | None:
        """The newest frame with a higher sequence, None when none came in time. Raises Fault while it is lost."""
        with self._fresh:
            self._fresh.wait_for(
                lambda: self._lost is not None or (self._newest is not None and self._newest.sequence > sequence),
                timeout_s,
            )
        newest = self.latest()
        return newest if newest is not None and newest.sequence > sequence else None

    def health(self) -> CameraHealth:
        with self._fresh:
            return CameraHealth(self._frames, self._skipped, self._corrupt, self._reopened)

    def close(self) -> None:
        """Ends the stream and releases the device. May be called twice."""
        self._closing.set()
        self._thread.join()
        self._source.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                captured = self._source.next()
            except Fault as fault:
                self._reopen(fault)
                continue
            with self._fresh:
                if captured is None:
                    self._corrupt += 1
                    self._corrupt_since += 1
                else:
                    self._take(captured)
                    self._fresh.notify_all()

    def _take(self, captured: Captured) -> None:
        """Gives the frame its number; a gap in time is a gap in numbers."""
        time_ns, number = captured.time_ns - self._late_ns, 0
        if self._newest is not None:
            periods = round((time_ns - self._newest.time_ns) / 1e9 * self._source.rate_hz)
            number = self._newest.sequence + max(1, periods)
            self._skipped += max(0, periods - 1 - self._corrupt_since)
        self._frames += 1
        self._corrupt_since = 0
        self._arrived_s = time.monotonic()
        self._newest = Frame(captured.jpeg, time_ns, number)

    def _reopen(self, fault: Fault) -> None:
        with self._fresh:
            self._lost = fault
            self._fresh.notify_all()
        self._source.close()
        while not self._closing.wait(REOPEN_S):
            try:
                self._source.open()
            except Fault:
                continue
            with self._fresh:
                self._lost = None
                self._reopened += 1
                self._arrived_s = time.monotonic()
            return
