"""One servo as ``hardware.yaml`` describes it, and two on one joint: plain data and its checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hardware import control_table as table
from il_robot.errors import BadInput, nearest

MODES = {
    "position": table.Mode.POSITION,
    "extended_position": table.Mode.EXTENDED_POSITION,
    "current_based_position": table.Mode.CURRENT_BASED_POSITION,
}
SLOW_PER_S = 0.6
"""Largest speed of the slow moves to the start and sleep poses [rad/s, opening/s]; every servo must keep up."""
LEAST_VELOCITY_LIMIT = math.ceil(SLOW_PER_S / table.RAD_S_PER_VELOCITY_UNIT)
SHARED = ("mode", "lower_ticks", "upper_ticks", "velocity_limit", "current_limit", "goal_current")
"""What a shadow must have as its main servo has it."""


@dataclass(frozen=True)
class Servo:
    """One servo and the register values it must have."""

    id: int
    joint: str
    model: str
    lower_ticks: int = 0
    upper_ticks: int = 4095
    drive_mode: int = 0
    """1: turns the other way."""
    shadow_of: int | None = None
    """The id of the servo that it helps on the same joint."""
    mode: Literal["position", "extended_position", "current_based_position"] = "position"
    velocity_limit: int = 131
    """[0.229 rpm]; 131 is pi rad/s."""
    current_limit: int | None = None
    """[the model's unit]; None leaves what the servo has."""
    goal_current: int | None = None
    """[the model's unit]; only in current-based position mode."""
    p_gain: int = 800
    i_gain: int = 0
    d_gain: int = 0

    def __post_init__(self) -> None:
        where = f"servo {self.id} ({self.joint})"
        if not 0 <= self.id <= 252:
            raise BadInput(f"{where}: id {self.id}; allowed: 0..252")
        if self.model not in table.MODELS:
            raise BadInput(f"{where}: no servo model {self.model!r}; {nearest(self.model, table.MODELS)}")
        model = table.MODELS[self.model]
        if MODES[self.mode] not in model.modes:
            raise BadInput(f"{where}: {self.model} has no mode {self.mode}: it cannot sense current")
        if (self.goal_current is not None) != (self.mode == "current_based_position"):
            raise BadInput(f"{where}: goal_current goes with mode current_based_position, and only with it")
        for name, current in (("current_limit", self.current_limit), ("goal_current", self.goal_current)):
            if current is not None and not 0 < current <= model.current_limit:
                raise BadInput(f"{where}: {name} {current}; allowed: 1..{model.current_limit} ({self.model})")
        for name, value, low, high in (
            ("drive_mode", self.drive_mode, 0, 1),
            ("velocity_limit", self.velocity_limit, LEAST_VELOCITY_LIMIT, table.LARGEST_VELOCITY_LIMIT),
            ("p_gain", self.p_gain, 1, table.LARGEST_GAIN),
            ("i_gain", self.i_gain, 0, table.LARGEST_GAIN),
            ("d_gain", self.d_gain, 0, table.LARGEST_GAIN),
        ):
            if not low <= value <= high:
                raise BadInput(f"{where}: {name} {value}; allowed: {low}..{high}")
        if not 0 <= self.lower_ticks < self.upper_ticks <= 4095:
            raise BadInput(f"{where}: limits {self.lower_ticks}..{self.upper_ticks} must rise within 0..4095")
        largest = self.largest_current
        if self.goal_current is not None and self.goal_current > largest:
            raise BadInput(f"{where}: goal_current {self.goal_current}; allowed: 1..{largest}, its current_limit")

    @property
    def largest_current(self) -> int:
        """What Current_Limit lets through [the model's unit]; 0 where it senses no current."""
        return table.MODELS[self.model].current_limit if self.current_limit is None else self.current_limit


def named(servos: Sequence[Servo]) -> str:
    """For a line to a person: ``servo 2 (shoulder), servo 3 (shoulder)``."""
    return ", ".join(f"servo {servo.id} ({servo.joint})" for servo in servos)


def check_shadows(chain: Sequence[Servo], at: Callable[[int, str], str]) -> None:
    """Whether each shadow helps its main servo instead of fighting it. Raises BadInput.

    A shadow sits on the same shaft and faces its main servo: it must count the other way (Drive_Mode), and as what is
    written to its main servo is obeyed by it too (Secondary_ID), all that decides what it does then must be the same.
    ``at`` says where a key of the chain's n-th servo stands.
    """
    mains = {servo.id: servo for servo in chain if servo.shadow_of is None}
    for number, shadow in enumerate(chain):
        if shadow.shadow_of is None:
            continue
        who, main = named([shadow]), mains.get(shadow.shadow_of)
        if main is None or main.joint != shadow.joint:
            where = at(number, "shadow_of")
            raise BadInput(f"{where}: {who} shadows {shadow.shadow_of}, no main servo of {shadow.joint}")
        if shadow.drive_mode == main.drive_mode:
            allowed = f"{1 - main.drive_mode}, as servo {main.id}, which it shadows and faces, has {main.drive_mode}"
            where = at(number, "drive_mode")
            raise BadInput(f"{where}: {who}: drive_mode {shadow.drive_mode}; allowed: {allowed}: else they would fight")
        for key in SHARED:
            if (own := getattr(shadow, key)) != (its := getattr(main, key)):
                allowed = f"{its}, as servo {main.id}, which it shadows, has"
                raise BadInput(f"{at(number, key)}: {who}: {key} {own}; allowed: {allowed}")
