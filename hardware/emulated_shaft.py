"""The shaft of an emulated joint: how its servos, a weight and a hand turn it.

Dynamics are first order with a speed limit; a shaft without torque stays where the hand leaves it. Several servos on
one joint (a shadow pair) share a shaft.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

TIME_CONSTANT_S = 0.03
STEP_S = 0.005
"""Longest step of a shaft: the speed limit and the lag are taken in turn."""
FRICTION = 8.0
"""[current units] that move nothing on a shaft with a weight."""
SPEED_PER_CURRENT = 5.0
"""How fast a weight sinks, or is lifted [ticks/s per current unit beyond friction]."""


class Motor(Protocol):
    """What a shaft asks of a servo that sits on it. Angles in ticks, as the shaft counts them."""

    @property
    def drives(self) -> bool: ...

    @property
    def goal_angle(self) -> float: ...

    @property
    def speed_limit(self) -> float: ...

    @property
    def pull(self) -> float: ...

    def sense(self, dt_s: float) -> None: ...


@dataclass
class Shaft:
    """What a joint's servos turn together. Angles in ticks, 2048 is the middle."""

    angle: float = 2048.0
    speed: float = 0.0
    """[ticks/s]."""
    stops: tuple[float, float] = (-math.inf, math.inf)
    """Where it is blocked: by an object in the gripper, a hand, the table."""
    load: float = 0.0
    """A weight that pulls at it [current units that hold it]; 0: none, and without torque it stays where it is."""

    def step(self, servos: Sequence[Motor], dt_s: float) -> None:
        """Moves on by ``dt_s``; ``servos`` are all that sit on it."""
        driving = [servo for servo in servos if servo.drives]
        before = self.angle
        if self.load and dt_s > 0:
            whole = math.ceil(dt_s / STEP_S)
            for _ in range(whole):
                self._swing(driving, dt_s / whole)
        elif driving and dt_s > 0:
            goal = sum(servo.goal_angle for servo in driving) / len(driving)
            reach_s = min(servo.speed_limit for servo in driving)
            whole = max(1, math.ceil(dt_s / STEP_S))
            for _ in range(whole):
                self._approach(goal, reach_s, dt_s / whole)
        self.speed = (self.angle - before) / dt_s if dt_s > 0 else self.speed
        for servo in servos:
            servo.sense(dt_s)

    def _swing(self, driving: Sequence[Motor], dt_s: float) -> None:
        """Servos against the weight: what is left beyond friction turns it, at a speed that grows with it."""
        net = self.load + sum(servo.pull for servo in driving)
        net = math.copysign(max(0.0, abs(net) - FRICTION), net)
        self.angle = min(max(self.angle + net * SPEED_PER_CURRENT * dt_s, self.stops[0]), self.stops[1])

    def _approach(self, goal: float, reach_s: float, dt_s: float) -> None:
        way = (goal - self.angle) * (1 - math.exp(-dt_s / TIME_CONSTANT_S))
        reach = reach_s * dt_s
        self.angle = min(max(self.angle + min(max(way, -reach), reach), self.stops[0]), self.stops[1])
