"""How much a network under training holds in simulation: what decides which of a run's checkpoints is best."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import torch

from il_robot.control.ensemble import Ensemble
from il_robot.policies.catalogue import Network
from il_robot.sim.world import World
from il_robot.training.description import Description
from il_robot.training.driver import Driver
from il_robot.training.evaluation import drive
from il_robot.training.intervals import Share
from il_robot.training.loaded_policy import LoadedPolicy
from il_robot.training.loop import Judge

FIRST_SEED = 500_000
"""Of the starts that choose a checkpoint: others than those that ``il-robot evaluate`` measures it with."""


@contextmanager
def simulated_judge(
    description: Description, starts: int, device: str, tell: Callable[[int], None] = lambda done: None
) -> Iterator[Judge]:
    """A judge over the same ``starts`` fresh starts each time; ``tell`` hears 0 and how many are driven, after each.

    Raises BadInput where the task cannot be simulated.
    """
    with closing(World(description.rig, description.data.task)) as world:

        def judge(network: Network) -> Share:
            # Training goes on with the weights where they are: on the same device.
            policy = LoadedPolicy(description, network, device)
            driver = Driver(policy, Ensemble(len(policy.rig.joints), policy.chunk_size), policy.rig)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            tell(0)
            done = itertools.count(1)
            try:
                evaluation = drive(
                    driver,
                    world,
                    episodes=starts,
                    seed=FIRST_SEED,
                    cameras=policy.cameras,
                    tell=lambda: tell(next(done)),
                )
            finally:
                torch.set_num_threads(threads)
            return evaluation.held

        yield judge
