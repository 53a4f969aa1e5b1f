"""A gripper's ticks to its opening, 0 closed and 1 open: the same for leader and follower, observation and action."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibration.joint import RAD_PER_TICK, TICKS_PER_TURN
from il_robot.errors import BadInput

MIN_STROKE_TICKS = 50


@dataclass(frozen=True)
class GripperCalibration:
    """``opening = (ticks - closed_ticks) / (open_ticks - closed_ticks)``: linear in the servo's angle."""

    closed_ticks: float
    open_ticks: float
    horn_m: float | None = None
    """Length of the servo horn, where fingers are driven by horn and rod."""
    rod_m: float | None = None
    """Length of the rod from horn to finger."""

    def __post_init__(self) -> None:
        for name, ticks in (("closed_ticks", self.closed_ticks), ("open_ticks", self.open_ticks)):
            if abs(ticks - TICKS_PER_TURN / 2) > TICKS_PER_TURN:
                raise BadInput(f"{name} {ticks:g}: allowed: -2048..6144 (a servo reads 2048 at its middle)")
        if abs(self.open_ticks - self.closed_ticks) < MIN_STROKE_TICKS:
            raise BadInput(
                f"closed_ticks {self.closed_ticks:g} and open_ticks {self.open_ticks:g} are less than "
                f"{MIN_STROKE_TICKS} ticks apart: no gripper moves so little"
            )
        if (self.horn_m is None) != (self.rod_m is None):
            raise BadInput("horn_m and rod_m: give both or neither")
        if self.horn_m is not None and self.rod_m is not None and not 0 < self.horn_m <= self.rod_m:
            raise BadInput(f"horn_m {self.horn_m:g}: must be above 0 and at most rod_m {self.rod_m:g}")

    @property
    def origin_ticks(self) -> float:
        """Where the opening is 0."""
        return self.closed_ticks

    @property
    def scale(self) -> float:
        """[opening/tick]."""
        return 1 / (self.open_ticks - self.closed_ticks)

    def finger_m(self, opening: float) -> float:
        """Distance of a finger from the servo axis [m]: what ALOHA's files call finger position, for export only.

        Crank and slider: ``h sin a + sqrt(l^2 - (h cos a)^2)`` with horn h, rod l and horn angle a from tick 2048
        (Interbotix xs_sdk, convert_angular_position_to_linear). Raises BadInput without horn and rod.
        """
        if self.horn_m is None or self.rod_m is None:
            raise BadInput("this gripper's calibration has no horn_m and rod_m; finger distance needs them")
        ticks = self.closed_ticks + opening * (self.open_ticks - self.closed_ticks)
        angle = (ticks - 2048) * RAD_PER_TICK
        return self.horn_m * math.sin(angle) + math.sqrt(self.rod_m**2 - (self.horn_m * math.cos(angle)) ** 2)
