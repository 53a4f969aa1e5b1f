"""Simulated time: runs with the real clock, faster or slower."""

from __future__ import annotations

import time


class PacedClock:
    """A :class:`il_robot.control.rate.Clock` that begins at one second and passes ``speed`` s per real second."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began = time.monotonic()

    def now_ns(self) -> int:
        return 1_000_000_000 + round((time.monotonic() - self._began) * self._speed * 1e9)

    def sleep_until(self, time_ns: int) -> bool:
        left_s = (time_ns - self.now_ns()) / 1e9 / self._speed
        if left_s > 0:
            time.sleep(left_s)
        return True
