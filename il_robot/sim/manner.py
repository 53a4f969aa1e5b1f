"""How the scripted human moves: brisk and exact, by the clock, or like a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from il_robot.errors import BadInput, nearest
from il_robot.sim.kinematics import Vector

Style = Literal["closed_loop", "timed", "human"]

SCHEDULE_S = {"reach": 1.4, "descend": 2.0, "grasp": 2.5, "lift": 2.9, "carry": 4.4, "advance": 5.2, "receive": 5.8}
"""Timed demonstrations: a phase lasts at least until this time after the start."""


@dataclass
class Manner:
    """One episode's way of moving."""

    speed: float = 1.0
    meeting: Vector = field(default_factory=lambda: np.zeros(3))
    """Offset of the meeting point [m]."""
    longest_pause: int = 0
    """Steps a person may stop for between two phases."""
    drift_m: float = 0.0
    """Slow wander of the hand, standard deviation."""
    schedule_s: dict[str, float] = field(default_factory=dict)
    wander: Vector = field(default_factory=lambda: np.zeros(3))
    """(3,) where the hand has wandered to now [m]."""

    def drift(self, rng: np.random.Generator) -> Vector:
        """(3,) the wander of this step [m]: an Ornstein-Uhlenbeck walk with a time constant of 50 steps."""
        if self.drift_m > 0.0:
            self.wander = 0.98 * self.wander + self.drift_m * 0.2 * rng.normal(size=3)
        return self.wander

    def pause(self, rng: np.random.Generator) -> int:
        """How many steps to stop for at the end of a phase: mostly none."""
        if self.longest_pause == 0 or rng.random() < 0.6:
            return 0
        return int(rng.integers(1, self.longest_pause + 1))


def draw_manner(style: Style, rng: np.random.Generator) -> Manner:
    """The manner of one episode in ``style``. Raises BadInput on a style that does not exist."""
    if style not in get_args(Style):
        raise BadInput(f"no style {style!r}; {nearest(style, get_args(Style))}")
    if style == "timed":
        return Manner(schedule_s=SCHEDULE_S)
    if style == "human":
        meeting = rng.uniform(-0.04, 0.04, 3)
        return Manner(speed=rng.uniform(0.6, 1.3), meeting=meeting, longest_pause=25, drift_m=0.004)
    return Manner()
