"""The safety gate: the one way to a follower.

Whatever is asked, what comes out is finite, inside the follower's limits and no further from the last output
than the velocity limit allows in one period. When nothing good is asked, it holds.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from il_robot.errors import Fault
from il_robot.rig import NS_PER_S, Rig
from il_robot.types import Floats, Gate


class SafetyGate:
    """Passes, clips or holds the action of every tick. One instance per rig, one writer.

    ``stale_ns`` is the age beyond which an asked action is not followed any more.
    """

    def __init__(self, rig: Rig, stale_ns: int = 100_000_000) -> None:
        self.names = rig.joint_names
        self._lower = rig.lower
        self._upper = rig.upper
        self._step = rig.velocity * np.float32(rig.period_ns / NS_PER_S)
        self._stale_ns = stale_ns
        self._last: Floats | None = None
        self.counts: Counter[Gate] = Counter()
        """How often each kind of intervention happened."""

    @property
    def last(self) -> Floats:
        """(J,) the last output. Raises Fault before :meth:`start`."""
        if self._last is None:
            raise Fault("the safety gate was asked before the followers' position was known")
        return self._last

    @property
    def started(self) -> bool:
        return self._last is not None

    def start(self, qpos: Floats) -> None:
        """Take the followers' measured position (J,) as the first output.

        Raises Fault when it is not finite, or further outside the limits than one tick can bring it back.
        """
        if not np.isfinite(qpos).all():
            raise Fault("a follower reports a position that is not a number")
        inside = np.clip(qpos, self._lower, self._upper).astype(np.float32)
        for joint in np.flatnonzero(np.abs(inside - qpos) > self._step):
            name, low, high = self.names[joint], self._lower[joint], self._upper[joint]
            raise Fault(f"{name} stands at {qpos[joint]:.2f}, outside [{low:.2f}, {high:.2f}]: move it inside")
        self._last = inside

    def filter(self, asked: Floats | None, asked_ns: int, now_ns: int, fault: bool = False) -> tuple[Floats, Gate]:
        """The action (J,) to send now, and what was done to the one asked.

        ``asked`` is None when nobody asks anything; ``asked_ns`` is when what it rests on was measured;
        ``fault`` holds whatever is asked.
        """
        last = self.last
        hold = Gate.PASSED
        if fault:
            hold |= Gate.FAULT
        # A stamp far ahead is as wrong as an old one: it would stay fresh for ever.
        if asked is None or abs(now_ns - asked_ns) > self._stale_ns:
            hold |= Gate.STALE
        elif not np.isfinite(asked).all():
            hold |= Gate.NOT_FINITE
        if hold or asked is None:
            return self._count(last, hold)
        limited = np.clip(asked.astype(np.float32), self._lower, self._upper)
        done = Gate.LIMIT if (limited != asked).any() else Gate.PASSED
        slowed = np.clip(limited, last - self._step, last + self._step)
        if (slowed != limited).any():
            done |= Gate.VELOCITY
        # The clip by velocity starts from inside the limits, but float rounding may step out by one unit.
        self._last = np.clip(slowed, self._lower, self._upper)
        return self._count(self._last, done)

    def _count(self, output: Floats, done: Gate) -> tuple[Floats, Gate]:
        for kind in Gate:
            if kind & done:
                self.counts[kind] += 1
        return output.copy(), done
