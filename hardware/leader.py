"""A leader between the operator's hands and its own servos: free, carrying its own weight, or stiff.

Gravity compensation: no servo leaves its current-based position mode (that would wear its EEPROM). Each gets the
current that gravity asks for as its Goal_Current, and a goal PUSH_TICKS away as the way to push. So whatever happens
to this program, a servo pushes no harder than its last Goal_Current and no further than PUSH_TICKS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardware.arm import ArmState, DynamixelArm
from hardware.control_table import MODELS
from hardware.gravity import Weight, holding_torque
from il_robot.types import Floats

RAMP_S = 1.0
"""The weight is taken over so slowly: a hand feels it coming."""
FAST_RAD_S = 2.0
"""A joint that moves faster than this the way it is pushed is not pushed on."""


class Leader:
    """One leader. Belongs to the thread that its arm belongs to; its servos are as set up, nothing moves at first."""

    def __init__(self, arm: DynamixelArm, weight: Weight | None = None) -> None:
        """``weight``: what it carries of itself in the hands; None: it hangs free."""
        self._arm = arm
        self._weight = weight
        self._links = weight.links if weight else ()
        self._rows = [arm.joints.index(link.joint) for link in self._links]
        self._per_ampere = np.array([_per_ampere(arm, joint) for joint in arm.joints])
        """(J,) torque of all servos on a joint per ampere in each [N m/A]; 0 where a servo senses no current."""
        self._carried = [arm.joints[row] for row in self._rows if self._per_ampere[row]]
        self._since_ns: int | None = None
        """When it began to carry itself; 0: with the next state."""

    @property
    def carries_itself(self) -> bool:
        return self._since_ns is not None

    def let_go(self) -> None:
        """Into the operator's hands: free, but for what it carries of itself. Raises Fault."""
        if self.carries_itself:
            return
        self._arm.torque_off()
        if self._weight is not None:
            self._arm.settle()
            self._arm.here()
            self._arm.push(np.zeros(len(self._arm.joints)), self._carried)
            self._arm.stiffen(self._carried)
            self._since_ns = 0

    def take(self) -> None:
        """Out of the hands: stiff where it stands. Raises Fault."""
        if self.carries_itself:
            self._since_ns = None
            self._arm.stop_pushing()
        self._arm.torque_on()

    def carry(self, state: ArmState) -> None:
        """The currents for where it is now; call it with every state. Raises Fault."""
        if self._since_ns is None:
            return
        self._since_ns = self._since_ns or state.time_ns
        taken_over = min(1.0, (state.time_ns - self._since_ns) / 1e9 / RAMP_S)
        self._arm.push(taken_over * self.amperes(state.qpos, state.qvel), self._carried)

    def amperes(self, qpos: Floats, qvel: Floats) -> NDArray[np.float64]:
        """(J,) the current of each servo [A], signed as its joint turns; never beyond the limit, 0 without sense."""
        asked = np.zeros(len(self._arm.joints))
        if self._weight is None:
            return asked
        torque = np.zeros_like(asked)
        torque[self._rows] = self._weight.share * holding_torque(self._links, qpos[self._rows])
        np.divide(torque, self._per_ampere, out=asked, where=self._per_ampere > 0)
        asked[~np.isfinite(asked) | (qvel * np.sign(asked) > FAST_RAD_S)] = 0.0
        limited: NDArray[np.float64] = np.clip(asked, -self._weight.limit_a, self._weight.limit_a)
        return limited


def _per_ampere(arm: DynamixelArm, joint: str) -> float:
    servos = [servo for servo in arm.servos if servo.joint == joint]
    if servos[0].mode != "current_based_position":
        return 0.0
    return (MODELS[servos[0].model].torque_per_ampere or 0.0) * len(servos)
