"""Notices servos that lost their torque by themselves: one that was without power for a moment comes back limp, and
answers as if nothing had happened."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardware import control_table as table
from hardware.bus import Bus
from hardware.servo import Servo
from il_robot.errors import Fault

AWAY_TICKS = 200
"""A stiff joint is seldom so far from its goal (0.3 rad)."""
ASK_AFTER = 10
"""So many reads in a row, then the servo is asked: one that is only held back has its torque."""


class LimpWatch:
    """Watches the main servos of one arm. Costs a comparison a read; asks only servos that are far from their goals."""

    def __init__(self, bus: Bus, mains: Sequence[Servo], watched: NDArray[np.bool_]) -> None:
        """``watched`` (J,): not grippers, which grip."""
        self._bus, self._mains = bus, mains
        self._allowed = np.where(watched, AWAY_TICKS, np.inf)
        self._goal: NDArray[np.int64] | None = None
        self._away = 0
        self._limp: list[Servo] = []

    def forget(self) -> None:
        """The arm gets its torque, or loses it on purpose: what was sent before is past."""
        self._goal, self._away, self._limp = None, 0, []

    def sent(self, goal: NDArray[np.int64]) -> None:
        """(J,) ticks that all servos hold or go to from now on."""
        self._goal = goal

    def look(self, ticks: NDArray[np.float64]) -> Sequence[Servo]:
        """The servos found without torque, from where the arm was read (J,). They stay so until the arm is freed."""
        if self._goal is None:
            return self._limp
        away = np.abs(ticks - self._goal) > self._allowed
        self._away = self._away + 1 if away.any() else 0
        if self._away and self._away % ASK_AFTER == 0:
            with contextlib.suppress(Fault):  # an answer that is lost now comes next time
                asked = [servo for servo, far in zip(self._mains, away, strict=True) if far and servo not in self._limp]
                self._limp += [servo for servo in asked if not self._bus.read(servo.id, table.TORQUE_ENABLE)]
        return self._limp
