"""How much a network under training holds in simulation: what decides which of a run's checkpoints is best."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from il_robot.control.ensemble import Ensemble
from il_robot.crew import Crew, crew_size
from il_robot.policies.catalogue import Network, build
from il_robot.sim.rollout import worth_a_process
from il_robot.sim.world import World
from il_robot.training.checkpoint import fill, load_tensors, save_tensors
from il_robot.training.description import Description
from il_robot.training.driver import Driver
from il_robot.training.evaluation import Evaluation, drive
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
    World(description.rig, description.data.task).close()  # now, not only when it has trained for long
    cameras = [camera.name for camera in description.inputs.cameras]
    workers = crew_size(None, starts, worth_a_process(cameras))
    with (
        TemporaryDirectory() as folder,
        Crew[tuple[Path, int], Evaluation](workers, _driving, description, device) as crew,
    ):
        asked = itertools.count()

        def judge(network: Network) -> Share:
            weights = Path(folder) / f"{next(asked)}.safetensors"
            save_tensors(weights, network.state_dict(), {})
            evaluation = Evaluation(())
            tell(0)
            for one in crew.each((weights, FIRST_SEED + number) for number in range(starts)):
                evaluation += one
                tell(len(evaluation.outcomes))
            weights.unlink()
            return evaluation.held

        yield judge


@contextmanager
def _driving(description: Description, device: str) -> Iterator[Callable[[tuple[Path, int]], Evaluation]]:
    """Weights and seed -> what came of that start."""
    network = build(description.network, description.inputs)
    policy = LoadedPolicy(description, network, device)
    driver = Driver(policy, Ensemble(len(policy.rig.joints), policy.chunk_size), policy.rig)
    filled: list[Path] = []

    def work(task: tuple[Path, int]) -> Evaluation:
        weights, seed = task
        if filled != [weights]:
            fill(network, load_tensors(weights)[0], weights)
            filled[:] = [weights]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return drive(driver, world, episodes=1, seed=seed, cameras=policy.cameras)
        finally:
            torch.set_num_threads(threads)  # training goes on in this process where the crew is of one

    with closing(World(description.rig, description.data.task)) as world:
        yield work
