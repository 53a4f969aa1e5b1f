"""A leader between the operator's hands and its own servos: free, carrying its own weight, or stiff and following.

Which of the two it shall be is a wish that stays: what is cut short on the way there (a port is lost, a servo does not
answer) is done again from the beginning once the arm answers, so no leader stays half stiff. Stiff, it begins where it
stands and is never commanded faster than its velocity limit.

Gravity compensation: no servo leaves its current-based position mode (that would wear its EEPROM). Each gets the
current that gravity asks for as its Goal_Current, and a goal PUSH_TICKS away as the way to push. So whatever happens
to this program, a servo pushes no harder than its last Goal_Current and no further than PUSH_TICKS.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hardware.arm import ArmState
from hardware.control_table import MODELS
from hardware.dynamixel_arm import DynamixelArm
from hardware.gravity import Weight, holding_torque
from il_robot.errors import Fault
from il_robot.types import Floats

RAMP_S = 1.0
"""The weight is taken over so slowly: a hand feels it coming."""
FAST_RAD_S = 2.0
"""A joint that moves faster than this the way it is pushed is not pushed on."""


CATCH_UP = 0.25
"""Share of its velocity limit at which a leader comes to where it is commanded: there may be hands on it, or near."""
IGNORED = 25
"""More commands than can be on their way when a leader comes free (0.5 s at 50 Hz)."""


class Leader:
    """One leader: an arm (:class:`hardware.arm.Arm`) that obeys commands only while it is wholly stiff.

    Belongs to the thread that its arm belongs to, but for :meth:`want`. Nothing moves at first.
    """

    def __init__(
        self,
        arm: DynamixelArm,
        step: Floats,
        weight: Weight | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``step`` (J,): how far one command may move it from the one before [rad]. ``weight``: what it carries of
        itself in the hands; None: it hangs free. ``say`` is told what an operator must know, in a line."""
        self._arm = arm
        self._step = step
        self._weight = weight
        self._say = say
        self._links = weight.links if weight else ()
        self._rows = [arm.joints.index(link.joint) for link in self._links]
        self._per_ampere = np.array([_per_ampere(arm, joint) for joint in arm.joints])
        """(J,) torque of all servos on a joint per ampere in each [N m/A]; 0 where a servo senses no current."""
        self._carried = [arm.joints[row] for row in self._rows if self._per_ampere[row]]
        self._since_ns: int | None = None
        """When it began to carry itself; 0: with the next state."""
        self._wanted: bool | None = None
        self._follows: bool | None = None
        """Stiff and following, or wholly in the hands; None: perhaps something between."""
        self._cut_short = False
        self._goal: Floats = np.zeros(len(arm.joints), np.float32)
        """(J,) where it was last sent."""
        self._apart: Floats | None = None
        """(J,) what it has not taken up yet of the way to where it is commanded; None: nobody commanded since."""
        self._ignored = 0

    @property
    def carries_itself(self) -> bool:
        return self._since_ns is not None

    def want(self, *, follows: bool) -> None:
        """Stiff and following from the next reading on, or in the operator's hands. Any thread may say so."""
        self._wanted = follows

    def read(self) -> ArmState | None:
        """Makes it what it shall be, reads it, and renews what it carries. Raises Fault."""
        wanted = self._wanted
        if wanted is not None and wanted is not self._follows:
            self._become(wanted)
        state = self._arm.read()
        if state is not None:
            self.carry(state)
        return state

    def command(self, qpos: Floats) -> None:
        """(J,) where it shall go: no further than ``step`` from the last command, and to what it is apart from there
        at first at a quarter of that. Nothing, unless it is wholly stiff. Raises Fault."""
        if not self._follows:
            self._ignored += 1
            return
        apart = self._goal - qpos if self._apart is None else self._apart
        slow = self._step * np.float32(CATCH_UP)
        self._apart = apart - np.clip(apart, -slow, slow)
        goal = self._goal + np.clip(qpos + self._apart - self._goal, -self._step, self._step)
        self._arm.command(goal)
        self._goal = goal

    def complaint(self) -> str | None:
        """As of its arm; also of commands that go on coming to a leader in the hands: somebody takes it for stiff."""
        if self._ignored > IGNORED:
            return f"arm {self._arm.name}: is commanded, but free in the operator's hands; end the session"
        return self._arm.complaint()

    def recover(self) -> None:
        """After its port was lost: what it is commanded next counts from where it stands now. Raises Fault."""
        self._arm.recover()
        self._begin_here()

    def let_go(self) -> None:
        """Into the operator's hands: free, but for what it carries of itself. Raises Fault."""
        self._follows = None
        self._since_ns = None
        self._arm.torque_off()
        if self._weight is not None:
            self._arm.settle()
            self._arm.here()
            self._arm.push(np.zeros(len(self._arm.joints)), self._carried)
            self._arm.stiffen(self._carried)
            self._since_ns = 0
        self._follows, self._ignored = False, 0

    def take(self) -> None:
        """Out of the hands: stiff where it stands. Raises Fault."""
        self._follows = self._since_ns = None
        if self._weight is not None:
            self._arm.stop_pushing()
        self._arm.torque_on()
        self._begin_here()
        self._follows, self._ignored = True, 0

    def _become(self, follows: bool) -> None:
        try:
            (self.take if follows else self.let_go)()
        except Fault as fault:
            self._cut_short = True
            raise Fault(f"{fault}; {self._arm.name} may be half stiff until it answers again: hold it") from None
        if self._cut_short:
            self._cut_short = False
            what = "stiff as a whole, and follows again" if follows else "free as a whole, in your hands"
            self._say(f"{self._arm.name} is {what}: it was lost on its way there")

    def _begin_here(self) -> None:
        self._goal, self._apart = self._arm.here(), None

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
