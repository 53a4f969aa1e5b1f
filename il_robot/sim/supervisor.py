"""The scripted operator of ``deploy``: watches the policy, takes over when it fails, hands back, marks the end.

Human-gated DAgger (Kelly et al. 2019, "HG-DAgger"): the gate is the human's judgement, here: the cube was knocked
away, or nothing has gone forward for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_robot.counted import counted
from il_robot.rig import Rig
from il_robot.sim.expert import Expert
from il_robot.sim.operator import HOLD_STEPS, Counter, Doing, Seen, Stage, at_start
from il_robot.types import Floats

MILESTONES = ("nothing", "touch", "lift", "meet", "transfer", "held")
KNOCK_M = 0.02
"""The cube moving further than this in one period was knocked: no gripper carries it at 1 m/s."""
PATIENCE_STEPS = 100
"""How long the operator waits for a light before tapping again."""


@dataclass(frozen=True)
class Gate:
    """When the operator steps in and out. All in control periods."""

    reaction: int = 15
    """From seeing to tapping: 0.3 s."""
    stall: int = 300
    """Without a new milestone for this long the policy is stuck."""
    steady: int = 15
    """How long the cube must be lifted before it is first handed back to the policy."""
    limit: int = 1500
    """An episode is given up after this."""
    corrects: bool = True
    """False: only watches."""
    knock_at: int | None = None
    """A prankster knocks the cube away this long after the start; None = never."""


class Supervisor:
    """Oversees ``episodes`` rollouts (0 = until stopped).

    With ``taps`` false a human has the pedal: this operator only moves the leaders while the human drives.
    ``resets`` false leaves the scene as it is at the start of an episode.
    """

    def __init__(
        self, rig: Rig, expert: Expert, episodes: int, gate: Gate, taps: bool = True, resets: bool = True
    ) -> None:
        self._rig = rig
        self._expert = expert
        self._episodes = episodes
        self._gate = gate
        self._taps = taps
        self._resets = resets
        self._stage = Stage.HOMING
        self._waited = 0
        self._steps = 0
        self._best = 0
        self._since_progress = 0
        self._trouble = Counter()
        self._in_trouble = False
        self._interventions = 0
        self._held = Counter()
        self._lifted = Counter()
        self._cube: Floats | None = None
        self.report: list[str] = []
        """One line per finished episode."""

    @property
    def finished(self) -> bool:
        return 0 < self._episodes <= len(self.report)

    def act(self, seen: Seen) -> Doing:
        if self._stage is Stage.HOMING:
            return self._wait_for_home(seen)
        if self._stage is Stage.STARTING:
            return self._wait_for_recording(seen)
        if self._stage is Stage.ENDING:
            return self._wait_for_saving(seen)
        self._steps += 1
        self._look(seen)
        ended = self._judge_end(seen)
        if ended is not None:
            return ended
        match self._stage:
            case Stage.WATCHING:
                return self._watch(seen)
            case Stage.TAKING_OVER:
                return self._wait_for_driver(seen, "human", Stage.CORRECTING)
            case Stage.CORRECTING:
                return self._correct(seen)
            case _:
                return self._wait_for_driver(seen, "robot", Stage.WATCHING)

    def _wait_for_home(self, seen: Seen) -> Doing:
        if seen.recorder == "ready" and seen.driver == "idle" and at_start(seen.observation.qpos, self._rig):
            self._enter(Stage.STARTING)
            return Doing(request="reset" if self._resets else None)
        return Doing()

    def _wait_for_recording(self, seen: Seen) -> Doing:
        if seen.recorder == "recording":
            self._enter(Stage.WATCHING)
            self._steps = self._best = self._since_progress = self._interventions = 0
            self._cube = None
            self._held, self._in_trouble = Counter(), False
            return Doing()
        self._waited += 1
        tap = self._taps and self._waited % PATIENCE_STEPS == HOLD_STEPS
        return Doing(tap="record" if tap else None)

    def _look(self, seen: Seen) -> None:
        """Keep an eye on the cube and on how far the task is."""
        cube = seen.observation.objects["cube"][:3]
        if self._cube is not None and float(np.linalg.norm(cube - self._cube)) > KNOCK_M:
            self._in_trouble = True
        self._cube = cube
        level = MILESTONES.index(seen.milestone) if seen.milestone in MILESTONES else 0
        self._since_progress = 0 if level > self._best else self._since_progress + 1
        self._best = max(self._best, level)
        self._in_trouble |= self._since_progress > self._gate.stall

    def _judge_end(self, seen: Seen) -> Doing | None:
        held = self._held.look(seen.milestone == "held") >= HOLD_STEPS
        if seen.recorder != "recording":
            if self._taps:
                self._enter(Stage.ENDING)  # ended, but not by this foot: it does not count, another is begun
            else:
                self._end("stopped by hand")
            return Doing()
        if self._taps and (held or self._steps >= self._gate.limit):
            self._end("held" if held else "failed")
            return Doing(tap="success" if held else "record")
        return None

    def _watch(self, seen: Seen) -> Doing:
        if seen.driver == "human":
            return self._begin_correction(seen)
        if self._steps == self._gate.knock_at:
            return Doing(request="knock")
        if self._taps and self._gate.corrects and self._trouble.look(self._in_trouble) > self._gate.reaction:
            self._enter(Stage.TAKING_OVER)
            return Doing(tap="takeover")
        return Doing()

    def _wait_for_driver(self, seen: Seen, driver: str, then: Stage) -> Doing:
        """A tap was given; the light says when it took effect."""
        if seen.driver == driver:
            if then is Stage.CORRECTING:
                return self._begin_correction(seen)
            self._enter(then)
            return Doing()
        self._waited += 1
        # While returning, the blend is still under way: another tap would take over again.
        again = self._taps and self._waited % PATIENCE_STEPS == 0 and seen.driver not in ("returning", "aligning")
        return Doing(tap="takeover" if again else None)

    def _begin_correction(self, seen: Seen) -> Doing:
        self._enter(Stage.CORRECTING)
        self._interventions += 1
        self._lifted = Counter()
        self._expert.reset(seen.observation)
        return Doing(self._expert.act(seen.observation))

    def _correct(self, seen: Seen) -> Doing:
        hand = self._expert.act(seen.observation)
        if seen.driver != "human":
            self._enter(Stage.HANDING_BACK)
            return Doing()
        # A policy that needs help again gets the whole rest shown; the end is judged elsewhere.
        enough = ("lift", "meet", "transfer") if self._interventions == 1 else ()
        steady = self._lifted.look(seen.milestone in enough) >= self._gate.steady
        if self._taps and steady:
            self._enter(Stage.HANDING_BACK)
            return Doing(hand, tap="takeover")
        return Doing(hand)

    def _end(self, result: str) -> None:
        number = len(self.report) + 1
        spent = f"{counted(self._steps, 'step')}, {counted(self._interventions, 'intervention')}"
        self.report.append(f"episode {number}: {result} after {spent}")
        self._enter(Stage.ENDING)

    def _wait_for_saving(self, seen: Seen) -> Doing:
        """Human still driving: hand back first, so that the robot can go home."""
        if seen.driver in ("human", "aligning"):
            self._waited += 1
            return Doing(tap="takeover" if self._taps and self._waited % PATIENCE_STEPS == 1 else None)
        if seen.recorder == "ready":
            self._enter(Stage.HOMING)
        return Doing()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._waited = 0
        self._in_trouble = False
        self._since_progress = 0
        self._trouble = Counter()
