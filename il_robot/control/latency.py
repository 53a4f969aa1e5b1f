"""How long something takes, over its newest occurrences: median, 99th percentile, worst."""

from __future__ import annotations

from collections import deque

import numpy as np

KEPT = 1500


class Latencies:
    """Collects durations; safe to read from another thread than the one that adds."""

    def __init__(self) -> None:
        self._ns: deque[int] = deque(maxlen=KEPT)

    def add(self, duration_ns: int) -> None:
        self._ns.append(duration_ns)

    def milliseconds(self, what: str) -> dict[str, float]:
        """``{what}_p50_ms``, ``{what}_p99_ms`` and ``{what}_max_ms`` of the newest 1500; empty when there are none."""
        return {f"{what}_{name}_ms": round(value, 3) for name, value in in_milliseconds(self._ns).items()}


def in_milliseconds(durations_ns: deque[int]) -> dict[str, float]:
    """``p50``, ``p99`` and ``max`` [ms]; empty when there are none. Another thread may go on adding."""
    ms = np.array(durations_ns.copy()) / 1e6
    if not len(ms):
        return {}
    p50, p99 = np.percentile(ms, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(ms.max())}
