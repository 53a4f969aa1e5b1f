"""The scripted operator of ``collect``: goes home, has the scene put back, records, performs, marks success."""

from __future__ import annotations

import numpy as np

from il_robot.counted import counted
from il_robot.rig import NS_PER_S, Rig
from il_robot.sim.expert import Expert
from il_robot.sim.operator import HOLD_STEPS, Counter, Doing, Seen, Stage, at_start
from il_robot.types import Floats

HOME_SPEED = 0.4
"""Share of the velocity limit at which the hands go back to the start pose."""
PATIENCE_STEPS = 100
"""How long the operator waits for a light before tapping again."""


class Demonstrator:
    """Performs the task ``episodes`` times (0 = until stopped).

    With ``taps`` false a human has the pedal: this operator only moves the leaders when the recorder records.
    """

    def __init__(self, rig: Rig, expert: Expert, episodes: int, limit_steps: int, taps: bool = True) -> None:
        self._rig = rig
        self._stride = rig.velocity * np.float32(HOME_SPEED * rig.period_ns / NS_PER_S)
        self._expert = expert
        self._episodes = episodes
        self._limit = limit_steps
        self._taps = taps
        self._stage = Stage.HOMING
        self._hand: Floats | None = None
        self._waited = 0
        self._steps = 0
        self._held = Counter()
        self.report: list[str] = []
        """One line per finished episode."""

    @property
    def finished(self) -> bool:
        return 0 < self._episodes <= len(self.report)

    def act(self, seen: Seen) -> Doing:
        if self._hand is None:
            self._hand = seen.observation.qpos
        match self._stage:
            case Stage.HOMING:
                return self._go_home(seen)
            case Stage.STARTING:
                return self._wait_for_recording(seen)
            case Stage.PERFORMING:
                return self._perform(seen)
            case _:
                return self._wait_for_saving(seen)

    def _go_home(self, seen: Seen) -> Doing:
        self._hand = self._toward_start()
        if seen.recorder == "ready" and seen.driver == "demonstrating" and at_start(seen.observation.qpos, self._rig):
            self._enter(Stage.STARTING)
            return Doing(self._hand, request="reset")
        return Doing(self._hand)

    def _toward_start(self) -> Floats:
        assert self._hand is not None
        nearer: Floats = self._hand + np.clip(self._rig.start - self._hand, -self._stride, self._stride)
        return nearer

    def _wait_for_recording(self, seen: Seen) -> Doing:
        if seen.recorder == "recording":
            self._enter(Stage.PERFORMING)
            self._expert.reset(seen.observation)
            self._held = Counter()
            return self._perform(seen)
        self._waited += 1
        # Half a second after the reset the cube lies still.
        tap = self._taps and self._waited % PATIENCE_STEPS == HOLD_STEPS
        return Doing(self._hand, tap="record" if tap else None)

    def _perform(self, seen: Seen) -> Doing:
        self._hand = self._expert.act(seen.observation)
        self._steps += 1
        held = self._held.look(seen.milestone == "held") >= HOLD_STEPS
        if seen.recorder != "recording":
            if self._taps:
                self._enter(Stage.ENDING)  # ended, but not by this foot: it does not count, another is begun
            else:
                self._end("stopped by hand")
            return Doing(self._hand)
        if self._taps and (held or self._steps >= self._limit):
            self._end("held" if held else "failed, discarded")
            return Doing(self._hand, tap="success" if held else "discard")
        return Doing(self._hand)

    def _end(self, result: str) -> None:
        self.report.append(f"episode {len(self.report) + 1}: {result} after {counted(self._steps, 'step')}")
        self._enter(Stage.ENDING)

    def _wait_for_saving(self, seen: Seen) -> Doing:
        if seen.recorder == "ready":
            self._enter(Stage.HOMING)
        return Doing(self._hand)

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._waited = self._steps = 0
