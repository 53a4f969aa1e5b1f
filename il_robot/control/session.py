"""One tick of the control loop, without any I/O: inputs in, the step and what to send out.

Order of a tick: collect faults, let the pedal act, ask the driver, pass the safety gate. The caller (a ROS
node, a test) gathers the inputs, sends ``step.action`` to the followers and ``mirror`` to the leaders, and
hands ``step`` to whoever records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from il_robot.control.ensemble import ChunkExecution
from il_robot.control.safety import SafetyGate
from il_robot.control.takeover import Takeover, apart
from il_robot.types import ActionChunk, Floats, Gate, Mode, Observation, Step


@dataclass(frozen=True)
class Inputs:
    """What a tick works from: the newest of everything."""

    observation: Observation
    """The followers; ``time_ns`` is the oldest of their capture times."""
    joint_ns: tuple[int, ...]
    """(A,) capture time per follower."""
    leader: Floats | None = None
    """(J,) the leaders' positions."""
    leader_ns: int = 0
    chunks: Sequence[ActionChunk] = ()
    """Predictions that arrived since the last tick."""
    presses: int = 0
    """How often the takeover pedal went down since the last tick."""
    engaged: bool = False
    """An episode is being recorded: the policy may drive."""
    faults: tuple[str, ...] = ()
    """What is lost or wrong, in words; any makes the followers hold."""


@dataclass(frozen=True)
class Outcome:
    """What a tick decided."""

    step: Step
    mirror: Floats | None
    """(J,) where the leaders shall go; None while they belong to the human."""
    faults: tuple[str, ...] = ()
    """Why the followers hold, in words: the inputs' faults, or a leader that was moved away meanwhile."""


@dataclass
class Session:
    """The control loop's memory between ticks.

    Args:
        gate: the one way to the followers.
        takeover: who drives.
        execution: how chunks become an action; None when there is no policy.
        policy_timeout_ns: how old the observation under the newest chunk may be.
    """

    gate: SafetyGate
    takeover: Takeover
    execution: ChunkExecution | None = None
    policy_timeout_ns: int = 300_000_000
    _chunk_ns: int = field(default=0, init=False)
    """The observation time of the newest chunk followed."""
    _fresh_after_ns: int = field(default=0, init=False)
    """Chunks predicted from older observations belong to another driver."""
    _ticked_ns: int = field(default=0, init=False)
    _held: bool = field(default=False, init=False)
    _apart: Floats | None = field(default=None, init=False)
    """(J,) leader less follower, as far as the leaders that mirror have not taken it up."""

    def tick(self, now_ns: int, inputs: Inputs) -> Outcome:
        """Decide this tick's action. Raises Fault when the followers' position is not finite at the start."""
        if not self.gate.started:
            self.gate.start(inputs.observation.qpos)
        if now_ns < self._ticked_ns:
            self._begin_anew(now_ns)
        self._ticked_ns = now_ns
        changed = self.takeover.engage(inputs.engaged)
        for _ in range(inputs.presses):
            changed |= self.takeover.press()
        if changed:
            self._forget_chunks(now_ns)
        policy = self._policy(now_ns, inputs.chunks)
        faults = inputs.faults or self._leader_away(inputs.leader)
        if self._held and not faults:
            self.takeover.resume()
        drive = self.takeover.step(now_ns, inputs.leader, policy, self.gate.last)
        follows_leader = drive.mode in (Mode.HUMAN, Mode.DEMONSTRATION)
        asked_ns = inputs.leader_ns if follows_leader else now_ns
        action, done = self.gate.filter(drive.asked, asked_ns, now_ns, fault=bool(faults))
        self._held = bool(done & (Gate.FAULT | Gate.STALE | Gate.NOT_FINITE))
        step = Step(
            time_ns=now_ns,
            observation=inputs.observation,
            joint_ns=inputs.joint_ns,
            action_asked=action if drive.asked is None else drive.asked,
            action=action,
            mode=drive.mode,
            intervention=drive.intervention,
            gate=done,
        )
        return Outcome(step, self._mirror(inputs.leader, action), faults)

    def _mirror(self, leader: Floats | None, action: Floats) -> Floats | None:
        """The leaders go after the followers. What they are apart at first is taken up slowly: there may be hands on
        them, or near."""
        if self.takeover.human_drives:
            self._apart = None
            return None
        if self._apart is None and leader is not None and np.isfinite(leader).all():
            self._apart = leader - action
        if self._apart is None:
            return action
        mirror = action + self._apart
        self._apart = self._apart - np.clip(self._apart, -self.takeover.home_step, self.takeover.home_step)
        return mirror

    def _leader_away(self, leader: Floats | None) -> tuple[str, ...]:
        """A hold under the human's hands ends only with the leader at its follower: it may have been dropped
        meanwhile, and the follower must not go after it."""
        if not self._held or leader is None or not self.takeover.human_drives:
            return ()
        return apart(self.gate.names, leader - self.gate.last, self.takeover.align)

    def _policy(self, now_ns: int, chunks: Sequence[ActionChunk]) -> Floats | None:
        if self.execution is None:
            return None
        for chunk in chunks:
            # One stamped ahead of time would outlive every timeout, and an open loop would wait for it.
            if self._fresh_after_ns <= chunk.start_ns <= now_ns + self.policy_timeout_ns:
                self.execution.add(chunk)
                self._chunk_ns = max(self._chunk_ns, chunk.start_ns)
        if now_ns - self._chunk_ns > self.policy_timeout_ns:
            return None
        return self.execution.at(now_ns)

    def _begin_anew(self, now_ns: int) -> None:
        """The clock was set back: what is stamped before lies ahead of it, and would keep the followers waiting."""
        self._forget_chunks(now_ns)
        self._chunk_ns = 0
        self.takeover.resume()

    def _forget_chunks(self, now_ns: int) -> None:
        self._fresh_after_ns = now_ns
        if self.execution is not None:
            self.execution.clear()
