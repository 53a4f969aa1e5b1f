"""A policy driving: chunks, their execution and the safety gate, as one function from observation to action."""

from __future__ import annotations

import numpy as np

from il_robot.control.ensemble import ChunkExecution
from il_robot.control.execution import Executing
from il_robot.control.safety import SafetyGate
from il_robot.rig import Rig
from il_robot.types import Floats, Observation, Policy


class Driver:
    """The same parts in the same order as on a robot."""

    def __init__(self, policy: Policy, execution: ChunkExecution, rig: Rig, every: int = 1) -> None:
        """The policy is asked every ``every`` steps."""
        self._policy = Executing(policy, execution, every)
        self._rig = rig
        self.restart()

    def restart(self) -> None:
        """Begins an episode: nothing of the one before is remembered."""
        self._policy.reset()
        self._gate = SafetyGate(self._rig)

    def act(self, observation: Observation) -> Floats:
        """(J,) the action to send; not finite when the policy's is not, so that this counts as a crash."""
        action = self._policy.predict(observation).qpos
        asked: Floats | None = action[0] if len(action) else None
        if asked is not None and not np.isfinite(asked).all():
            return asked
        if not self._gate.started:
            self._gate.start(observation.qpos)
        return self._gate.filter(asked, observation.time_ns, observation.time_ns)[0]
