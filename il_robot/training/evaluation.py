"""How well a policy does over fresh starts in the simulator, with intervals that say how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from il_robot.sim import rollout
from il_robot.sim.rollout import Listener, Outcome
from il_robot.sim.task import Milestone
from il_robot.sim.tasks import DEMONSTRATION_SEEDS
from il_robot.sim.world import World
from il_robot.training.driver import Driver
from il_robot.training.intervals import Share, share

EPISODE_STEPS = 400
"""As in ACT's simulated tasks: 8 s at 50 Hz."""
FIRST_START = DEMONSTRATION_SEEDS
"""Evaluations begin at this seed of the simulator, far from the seeds of demonstrations."""


@dataclass(frozen=True)
class Evaluation:
    """What several fresh starts came to."""

    outcomes: tuple[Outcome, ...]

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation(self.outcomes + other.outcomes)

    def _count(self, said: Callable[[Outcome], bool]) -> Share:
        return share(sum(map(said, self.outcomes)), len(self.outcomes))

    @property
    def held(self) -> Share:
        """The left gripper holds the cube at the end: the stricter success."""
        return self._count(lambda outcome: outcome.held)

    @property
    def success(self) -> Share:
        """The cube was handed over, once at least."""
        return self._count(lambda outcome: outcome.success)

    @property
    def crash(self) -> Share:
        return self._count(lambda outcome: bool(outcome.crash))

    @property
    def stall(self) -> Share:
        return self._count(lambda outcome: outcome.stall)

    @property
    def milestones(self) -> dict[str, Share]:
        """Milestone -> how many episodes reached it."""
        of = len(self.outcomes)
        return {m.name.lower(): share(sum(o.reached >= m for o in self.outcomes), of) for m in Milestone if m > 0}


def drive(
    driver: Driver,
    world: World,
    *,
    episodes: int,
    seed: int = 0,
    cameras: Sequence[str] = (),
    steps: int = EPISODE_STEPS,
    on_step: Listener | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Drives ``episodes`` fresh starts; start number i, and what a policy draws in it, follow from ``seed + i`` alone.

    ``cameras`` are rendered for the driver and for ``on_step``; ``tell`` is called after each episode.
    """
    outcomes: list[Outcome] = []
    for number in range(episodes):
        driver.restart()
        start = FIRST_START + seed + number
        torch.manual_seed(start)
        outcomes.append(rollout.run(world, driver.act, seed=start, steps=steps, cameras=cameras, on_step=on_step))
        tell()
    return Evaluation(tuple(outcomes))
