"""How a policy's chunks are executed: settings, and a policy that wraps a policy. No I/O, no clock of its own.

* ``ensemble``: the weighted average of all predictions for a moment (temporal ensembling of ACT), asked every step;
* ``chunk``: one chunk to its end, then the next: open loop, asked once a chunk;
* ``receding``: the first ``execute`` steps of a chunk, then the next (receding horizon), asked as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from il_robot.control.ensemble import LARGEST_M, ChunkExecution, Ensemble, OpenLoop
from il_robot.errors import BadInput, nearest
from il_robot.types import ActionChunk, Observation, Policy

ExecutionName: TypeAlias = Literal["ensemble", "chunk", "receding"]
Preference: TypeAlias = Literal["oldest", "newest"]
EXECUTIONS: tuple[str, ...] = get_args(ExecutionName)
PREFERENCES: tuple[str, ...] = get_args(Preference)
LARGEST_CHUNK = 100_000
OPTIONS: dict[str, tuple[str, ...]] = {"ensemble": ("m", "prefer"), "chunk": (), "receding": ("execute",)}
"""What each way of executing chunks can be told."""


@dataclass(frozen=True)
class Execution:
    """The defaults are those of the ACT paper."""

    how: str = "ensemble"
    m: float = 0.01
    """Of the ensemble: weights exp(-m i), i = 0 the preferred prediction; 0 weighs all alike."""
    prefer: str = "oldest"
    """Of the ensemble: whether the oldest or the newest prediction for a moment weighs most."""
    execute: int = 10
    """Of the receding horizon: steps of each chunk that are executed."""

    def __post_init__(self) -> None:
        for what, word, allowed in (("execution", self.how, EXECUTIONS), ("prefer", self.prefer, PREFERENCES)):
            if word not in allowed:
                raise BadInput(f"{what} {word!r}; {nearest(word, allowed)}")
        if not 0 <= self.m <= LARGEST_M:
            raise BadInput(f"temporal ensembling: m {self.m}; allowed: 0 to {LARGEST_M}")
        if not 1 <= self.execute <= LARGEST_CHUNK:
            raise BadInput(f"receding horizon: execute {self.execute}; allowed: 1 to {LARGEST_CHUNK} steps")

    @staticmethod
    def asked(how: str, **options: Any) -> Execution:
        """As somebody asked for; None: not asked. Raises BadInput for an option that this way does not have: it would
        be without effect, and nobody would know."""
        asked = {name: value for name, value in options.items() if value is not None}
        for name, value in asked.items():
            if name not in OPTIONS.get(how, asked):
                whose = next(way for way, names in OPTIONS.items() if name in names)
                raise BadInput(f"{name} {value}: has no effect with execution {how}; allowed with {whose}")
        return Execution(how, **asked)

    def facts(self) -> dict[str, Any]:
        """How, and the options that have an effect on it."""
        return {"how": self.how, **{name: getattr(self, name) for name in OPTIONS[self.how]}}

    def __str__(self) -> str:
        how, *options = self.facts().items()
        return ", ".join([str(how[1]), *(f"{name} {value}" for name, value in options)])

    def build(self, joints: int, chunk_size: int) -> ChunkExecution:
        """What turns chunks of up to ``chunk_size`` steps into actions, with an empty memory."""
        if self.how == "ensemble":
            return Ensemble(joints, chunk_size, self.m if self.prefer == "oldest" else -self.m)
        return OpenLoop(LARGEST_CHUNK if self.how == "chunk" else self.execute)

    def every(self, chunk_size: int) -> int:
        """The policy needs to be asked only every so many steps."""
        return {"ensemble": 1, "chunk": chunk_size, "receding": min(self.execute, chunk_size)}[self.how]


class Executing:
    """A policy wrapped in a policy: what comes out is one action, for the moment of the observation."""

    def __init__(self, policy: Policy, execution: ChunkExecution, every: int = 1) -> None:
        """``policy`` is asked every ``every`` steps; in between it only observes."""
        self._policy = policy
        self._execution = execution
        self._every = every
        self._steps = 0
        self._period_ns = 1

    def predict(self, observation: Observation) -> ActionChunk:
        """A chunk of one action; of none where no chunk reaches this moment."""
        if self._steps % self._every:
            self._policy.observe(observation)
        else:
            chunk = self._policy.predict(observation)
            self._period_ns = chunk.period_ns
            self._execution.add(chunk)
        self._steps += 1
        action = self._execution.at(observation.time_ns)
        rows = np.zeros((0, len(observation.qpos)), np.float32) if action is None else action[None]
        return ActionChunk(rows, observation.time_ns, self._period_ns)

    def observe(self, observation: Observation) -> None:
        self._policy.observe(observation)

    def reset(self) -> None:
        """Forgets every chunk, and whatever the policy remembers."""
        self._policy.reset()
        self._execution.clear()
        self._steps = 0
