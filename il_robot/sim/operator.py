"""What a scripted operator sees and does: the same lights, arms and pedal as a human's, nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

import numpy as np

from il_robot.rig import Rig
from il_robot.types import Floats, Observation

Tap = Literal["record", "success", "discard", "takeover"]
Request = Literal["reset", "knock"]

NEAR = 0.06
"""An arm is at its start pose when no joint is further away [rad]."""
HOLD_STEPS = 25
"""How long the cube must have been held before the operator believes it."""


@dataclass(frozen=True)
class Seen:
    """One look at the rig."""

    observation: Observation
    recorder: str
    """The recorder's light: waiting ... | ready | recording | saving."""
    driver: str
    """Who drives: demonstrating | idle | robot | aligning | human | returning | hold."""
    milestone: str
    """How far the task is: nothing | touch | lift | meet | transfer | held."""


@dataclass(frozen=True)
class Doing:
    """What the operator does after a look."""

    hand: Floats | None = None
    """(J,) where the hands move the leaders; None = hands off."""
    tap: Tap | None = None
    """A tap of the foot on that button."""
    request: Request | None = None
    """Asks the scene to be put back, or (a prankster) knocks the cube away."""


class Stage(Enum):
    """Where an operator is in the round of one episode."""

    HOMING = "homing"
    STARTING = "starting"
    PERFORMING = "performing"
    WATCHING = "watching"
    TAKING_OVER = "taking over"
    CORRECTING = "correcting"
    HANDING_BACK = "handing back"
    ENDING = "ending"


class Operator(Protocol):
    """A scripted human."""

    def act(self, seen: Seen) -> Doing:
        """What to do now; called once per period."""
        ...

    @property
    def finished(self) -> bool:
        """All episodes are done."""
        ...

    @property
    def report(self) -> list[str]:
        """One line per finished episode."""
        ...


class Counter:
    """Counts consecutive looks at which something was so."""

    def __init__(self) -> None:
        self.count = 0

    def look(self, so: bool) -> int:
        self.count = self.count + 1 if so else 0
        return self.count


def at_start(qpos: Floats, rig: Rig) -> bool:
    """Whether the arms (J,) stand at the start pose; a gripper may still have something in it."""
    arms = np.array([joint.name != "gripper" for joint in rig.joints])
    return bool(np.abs(qpos - rig.start)[arms].max() < NEAR)
