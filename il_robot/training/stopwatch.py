"""How fast a run learns, what it costs, and how much of its time it waits for data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Wall and CPU time of the loop, and the share of it spent waiting for data.

    CPU time is that of everything; speed and waiting are of learning alone, without what is done in between and
    without the first step, which compiles, starts the processes that decode, and takes memory.
    """

    def __init__(self, cpu_s: float) -> None:
        """``cpu_s`` was used before, in sessions that were stopped."""
        self._begin, self._cpu_begin = time.perf_counter(), time.process_time() - cpu_s
        self._waited = 0.0
        self._steps = self._batches = 0

    def got_data(self, since: float) -> None:
        self._batches += 1
        if self._batches == 2:
            self._begin, self._waited, self._steps = since, 0.0, 0
        self._waited += time.perf_counter() - since
        self._steps += 1

    @contextmanager
    def between(self) -> Iterator[None]:
        """While entered, nothing is learned: weights are saved and looked at."""
        since = time.perf_counter()
        try:
            yield
        finally:
            self._begin += time.perf_counter() - since

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu_begin

    @property
    def steps_per_s(self) -> float:
        return self._steps / max(1e-9, time.perf_counter() - self._begin)

    @property
    def waiting(self) -> float:
        return self._waited / max(1e-9, time.perf_counter() - self._begin)
