"""Transfer cube: the right arm picks the cube up and hands it to the left, which holds it in the air.

Milestones as in ACT's simulated task (touch, lift, meet, transfer), told from contacts, and one stricter: held.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from il_robot.sim.scene import CUBE_HALF_M, TABLE_HALF_M
from il_robot.sim.world import World

REACH = ((-0.14, 0.32), (-0.3, 0.3))
"""x and y [m] within which the right arm can pick a cube up from the table."""
LIFTED_M = CUBE_HALF_M + 0.015
"""Height of the cube's middle above which it has been lifted, not just jolted."""
HOLD_S = 0.5
"""How long the left gripper must have the cube alone before it counts as held."""


class Milestone(IntEnum):
    """How far the task has come, in order."""

    NOTHING = 0
    TOUCH = 1
    """A finger of the right gripper touches the cube."""
    LIFT = 2
    """The right gripper has the cube off the table."""
    MEET = 3
    """Both grippers touch the cube off the table."""
    TRANSFER = 4
    """Both fingers of the left gripper have the cube off the table, the right gripper let go."""
    HELD = 5
    """The left gripper has had it alone for half a second."""


@dataclass(frozen=True)
class Touching:
    """What the cube is in contact with at one moment."""

    left: int
    """How many of the left gripper's two fingers."""
    right: int
    table: bool


class TransferCube:
    """Follows one episode of the task in a world; call :meth:`update` after each step."""

    def __init__(self, world: World) -> None:
        self._world = world
        model = world.model
        self._cube = model.geom("cube").id
        self._table = model.geom("table").id
        bodies = [model.body(int(body)).name for body in model.geom_bodyid]
        self._fingers = {arm: [_geoms(bodies, f"{arm}_finger_{side}") for side in "ab"] for arm in ("left", "right")}
        self._hold_steps = round(HOLD_S * world.rig.rate_hz)
        self.restart()

    def restart(self) -> None:
        """Forgets the episode so far; call after the world's reset."""
        self.now = Milestone.NOTHING
        """Where the cube is now."""
        self.reached = Milestone.NOTHING
        """The highest milestone of the episode."""
        self.since_progress = 0
        """Steps since ``reached`` last rose."""
        self._alone = 0

    def update(self) -> Milestone:
        """Looks at the world after a step and returns the milestone it is at now."""
        touching = self.touching()
        self._alone = self._alone + 1 if touching.left == 2 and not touching.right and not touching.table else 0
        self.now = self._judge(touching)
        self.since_progress += 1
        if self.now > self.reached:
            self.reached = self.now
            self.since_progress = 0
        return self.now

    @property
    def success(self) -> bool:
        """The cube was handed over once."""
        return self.reached >= Milestone.TRANSFER

    @property
    def held(self) -> bool:
        """The left gripper holds the cube in the air now."""
        return self.now == Milestone.HELD

    @property
    def lost(self) -> bool:
        """The cube is off the table, or lies where the right arm cannot pick it up."""
        x, y, z = self._world.cube[:3]
        if z < -CUBE_HALF_M or abs(x) > TABLE_HALF_M[0] or abs(y) > TABLE_HALF_M[1]:
            return True
        (x_low, x_high), (y_low, y_high) = REACH
        lies = self.touching() == Touching(left=0, right=0, table=True)
        return bool(lies and not (x_low <= x <= x_high and y_low <= y <= y_high))

    def touching(self) -> Touching:
        """What the cube touches now."""
        pairs = self._world.data.contact.geom
        others = pairs[(pairs == self._cube).any(axis=1)]
        others = others[others != self._cube]
        return Touching(
            left=sum(bool(finger[others].any()) for finger in self._fingers["left"]),
            right=sum(bool(finger[others].any()) for finger in self._fingers["right"]),
            table=bool((others == self._table).any()),
        )

    def _judge(self, touching: Touching) -> Milestone:
        if self._alone > 0:
            return Milestone.HELD if self._alone >= self._hold_steps else Milestone.TRANSFER
        if touching.right and self._world.cube[2] < LIFTED_M:
            return Milestone.TOUCH
        if touching.right:
            return Milestone.MEET if touching.left else Milestone.LIFT
        return Milestone.NOTHING


def _geoms(bodies: list[str], finger: str) -> NDArray[np.bool_]:
    """(geoms,) which shapes belong to a finger."""
    return np.array([body == f"{finger}_link" for body in bodies])
