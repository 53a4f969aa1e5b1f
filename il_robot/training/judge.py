"""How much a network under training holds in simulation: what decides which of a run's checkpoints is best."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch

from il_robot.control.ensemble import Ensemble
from il_robot.crew import Crew
from il_robot.policies.catalogue import Network, build
from il_robot.sim.world import World
from il_robot.training.checkpoint import load_tensors, save_tensors
from il_robot.training.description import Description
from il_robot.training.driver import Driver
from il_robot.training.evaluation import Evaluation, drive
from il_robot.training.fresh_starts import starts_at_once
from il_robot.training.intervals import Share
from il_robot.training.loaded_policy import LoadedPolicy
from il_robot.training.loop import Judge
from il_robot.training.run_folder import weights_path

FIRST_SEED = 500_000
"""Of the starts that choose a checkpoint: others than those that ``il-robot evaluate`` measures it with."""


@contextmanager
def simulated_judge(
    description: Description, run: Path, starts: int, device: str, tell: Callable[[int], None] = lambda done: None
) -> Iterator[Judge]:
    """A judge over the same ``starts`` fresh starts each time; ``tell`` hears 0 and how many are driven, after each.

    Raises BadInput where the task cannot be simulated. The judge raises Fault when a process that drives dies.
    """
    World(description.rig, description.data.task).close()  # now, not only when it has trained for long
    workers = starts_at_once(None, starts, description, device)
    weights = weights_path(run, "judged")
    with Crew[tuple[int, int], Evaluation](workers, driving, description, weights, device) as crew:
        asked = itertools.count()

        def judge(network: Network) -> Share:
            number, evaluation = next(asked), Evaluation(())
            save_tensors(weights, network.state_dict(), {})
            tell(0)
            try:
                for one in crew.each((number, FIRST_SEED + start) for start in range(starts)):
                    evaluation += one
                    tell(len(evaluation.outcomes))
            finally:
                weights.unlink(missing_ok=True)
            return evaluation.held

        yield judge


@contextmanager
def driving(description: Description, weights: Path, device: str) -> Iterator[Callable[[tuple[int, int]], Evaluation]]:
    """The number of a judgement, each with other ``weights``, and a seed -> what came of that start."""
    network = build(description.network, description.inputs)
    policy = LoadedPolicy(description, network, device)
    driver = Driver(policy, Ensemble(len(policy.rig.joints), policy.chunk_size), policy.rig)
    loaded = -1

    def work(task: tuple[int, int]) -> Evaluation:
        nonlocal loaded
        number, seed = task
        if number != loaded:
            network.load_state_dict(load_tensors(weights)[0])
            loaded = number
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return drive(driver, world, episodes=1, seed=seed, cameras=policy.cameras)
        finally:
            torch.set_num_threads(threads)  # training goes on in this process where the crew is of one

    with closing(World(description.rig, description.data.task)) as world:
        yield work
