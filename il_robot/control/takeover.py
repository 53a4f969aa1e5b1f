"""Who drives this step: the policy or the human, and the way between them without a jump.

    IDLE --engage--> RETURNING (hold, then blend) --> ROBOT --press--> ALIGNING --> HUMAN --press--> RETURNING

ALIGNING ends in the same tick when the leader is near; otherwise the followers hold while it mirrors them.
While the robot drives, the leaders mirror the followers, so a takeover starts where the follower is. What is
left of a difference decays over the blend time: the human drives from the first tick, and nothing jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from il_robot.types import Floats, Mode


class State(Enum):
    """Where the hand-over stands."""

    DEMONSTRATING = auto()
    """No policy: the human drives from start to end."""
    IDLE = auto()
    """Between episodes: the followers go to their start pose, slowly, and wait."""
    ROBOT = auto()
    ALIGNING = auto()
    HUMAN = auto()
    RETURNING = auto()


@dataclass(frozen=True)
class Drive:
    """What the driver of this step asks."""

    asked: Floats | None
    """(J,); None when the driver has nothing to say."""
    mode: Mode
    intervention: int


def apart(names: Sequence[str], difference: Floats, allowed: float) -> tuple[str, ...]:
    """Where leaders are too far from their followers to go on, in words; nothing when they are near.

    ``difference`` is (J,) leader less follower, for the joints called ``names`` [rad, opening].
    """
    worst = int(np.abs(difference).argmax())  # of a NaN: the NaN
    off = abs(float(difference[worst]))
    if off <= allowed:
        return ()
    return (f"leader and follower differ by {off:.2f} at {names[worst]} (allowed {allowed:g}): move the leader there",)


class Takeover:
    """The hand-over between policy and human. Time and positions come in; nothing is read or sent.

    Args:
        demonstrating: no policy at all: the human drives from start to end.
        home: (J,) where the followers wait between episodes.
        home_step: (J,) how far they go towards it in one tick, and a leader towards its follower.
        blend_ns: how long a difference takes to decay.
        align: largest leader-follower difference [rad, opening] at which the human may take over at once.
    """

    def __init__(
        self, *, demonstrating: bool, home: Floats, home_step: Floats, blend_ns: int = 500_000_000, align: float = 0.3
    ) -> None:
        self._state = State.DEMONSTRATING if demonstrating else State.IDLE
        self._home = home
        self.home_step = home_step
        self._engaged = False
        self._blend_ns = blend_ns
        self.align = align
        self._interventions = 0
        self._handing_back = False
        """A return that ends an intervention belongs to it; one after a hold does not."""
        self._offset: Floats | None = None
        """Follower minus leader when the human began to drive."""
        self._from: Floats | None = None
        """Where the blend to the policy starts."""
        self._since_ns = 0

    @property
    def state(self) -> State:
        return self._state

    @property
    def human_drives(self) -> bool:
        """The leaders belong to the human's hands; otherwise they mirror the followers."""
        return self._state in (State.DEMONSTRATING, State.HUMAN)

    def press(self) -> bool:
        """The takeover pedal went down. True when that changed the driver: forget old chunks then."""
        match self._state:
            case State.ROBOT | State.RETURNING | State.IDLE:
                self._interventions += 1
                self._state = State.ALIGNING
                return True
            case State.HUMAN | State.ALIGNING:
                self._let_go()
                self._handing_back = True
                return True
            case State.DEMONSTRATING:
                return False

    def engage(self, engaged: bool) -> bool:
        """An episode begins (the policy may drive) or ends. True when that changed the driver."""
        if engaged == self._engaged:
            return False
        self._engaged = engaged
        if engaged:
            # An intervention already in progress is the new episode's first.
            self._interventions = 1 if self._state in (State.HUMAN, State.ALIGNING) else 0
        if self._state in (State.IDLE, State.ROBOT, State.RETURNING):
            self._let_go()
            return True
        return False

    def resume(self) -> None:
        """After a hold: whoever drives starts from where the followers are, without a jump."""
        self._offset = None
        self._from = None
        if self._state is State.ROBOT:
            self._state = State.RETURNING
            self._handing_back = False

    def _let_go(self) -> None:
        """Nobody drives any more: the policy is next, or nobody."""
        self._state = State.RETURNING if self._engaged else State.IDLE
        self._handing_back = False
        self._from = None

    def step(self, now_ns: int, leader: Floats | None, policy: Floats | None, last: Floats) -> Drive:
        """What to ask of the followers now.

        ``leader`` and ``policy`` are (J,) or None when they have nothing; ``last`` is what was last sent.
        """
        if self._state is State.ALIGNING and leader is not None and np.abs(leader - last).max() <= self.align:
            self._state = State.HUMAN
            self._offset = None
        match self._state:
            case State.DEMONSTRATING:
                return Drive(self._follow(leader, last, now_ns), Mode.DEMONSTRATION, 0)
            case State.HUMAN:
                return Drive(self._follow(leader, last, now_ns), Mode.HUMAN, self._interventions)
            case State.IDLE:
                return Drive(last + np.clip(self._home - last, -self.home_step, self.home_step), Mode.TRANSITION, 0)
            case State.ALIGNING:
                return Drive(last, Mode.TRANSITION, self._interventions)
            case State.RETURNING:
                return self._return(now_ns, policy, last)
            case State.ROBOT:
                return Drive(policy, Mode.ROBOT, 0)

    def _follow(self, leader: Floats | None, last: Floats, now_ns: int) -> Floats | None:
        """The leader plus what is left of the difference at its beginning."""
        if leader is None:
            return None
        if self._offset is None:
            self._offset = last - leader
            self._since_ns = now_ns
        return leader + self._offset * np.float32(1 - self._progress(now_ns))

    def _return(self, now_ns: int, policy: Floats | None, last: Floats) -> Drive:
        """Hold until the policy speaks, then blend to it."""
        intervention = self._interventions if self._handing_back else 0
        if policy is None:
            self._from = None
            return Drive(last, Mode.TRANSITION, intervention)
        if self._from is None:
            self._from = last
            self._since_ns = now_ns
        progress = self._progress(now_ns)
        if progress >= 1:
            self._state = State.ROBOT
            return Drive(policy, Mode.ROBOT, 0)
        share = np.float32(progress)
        return Drive(self._from * (1 - share) + policy * share, Mode.TRANSITION, intervention)

    def _progress(self, now_ns: int) -> float:
        """How far the blend is: 0 at its beginning, 1 from its end on."""
        return min(1.0, max(0.0, (now_ns - self._since_ns) / self._blend_ns)) if self._blend_ns else 1.0
