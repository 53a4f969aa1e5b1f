"""One servo's ticks to a joint's angle: where zero is and which way it turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from il_robot.errors import BadInput

TICKS_PER_TURN = 4096
RAD_PER_TICK = 2 * math.pi / TICKS_PER_TURN


@dataclass(frozen=True)
class JointCalibration:
    """``angle = sign * (ticks - zero_ticks) * 2 pi / 4096``."""

    zero_ticks: float = 2048.0
    """What the servo reads when the joint is at 0 rad."""
    sign: int = 1
    """1 or -1."""

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise BadInput(f"sign {self.sign}: allowed: 1, -1")
        if abs(self.zero_ticks - TICKS_PER_TURN / 2) > TICKS_PER_TURN:
            raise BadInput(f"zero_ticks {self.zero_ticks:g}: allowed: -2048..6144 (a servo reads 2048 at its middle)")

    @property
    def origin_ticks(self) -> float:
        """Where the position is 0."""
        return self.zero_ticks

    @property
    def scale(self) -> float:
        """[rad/tick]."""
        return self.sign * RAD_PER_TICK
