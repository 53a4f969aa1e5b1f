"""A trained policy on fresh starts, several of them at once: what each process needs, and who drives which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from il_robot.control.execution import Execution
from il_robot.crew import Crew, crew_size
from il_robot.sim.rollout import Listener, worth_a_process
from il_robot.sim.world import World
from il_robot.training.description import Description
from il_robot.training.driver import Driver
from il_robot.training.evaluation import Evaluation, drive
from il_robot.training.film import Film
from il_robot.training.loaded_policy import LoadedPolicy, load_policy
from il_robot.training.recipe import Precision
from il_robot.training.run_folder import WeightsName


@dataclass(frozen=True)
class Driven:
    """What drives, and what is driven."""

    run: Path
    task: str
    execution: Execution
    weights: WeightsName = "last"
    device: str = "cpu"
    precision: Precision = "fp32"
    compile: bool = False

    def policy(self) -> LoadedPolicy:
        """Raises BadInput when the run cannot be used."""
        # Networks of this size run fastest on one thread, as in the policy node.
        torch.set_num_threads(1)
        return load_policy(
            self.run, device=self.device, weights=self.weights, precision=self.precision, compile=self.compile
        )

    def drive(
        self, policy: LoadedPolicy, world: World, seed: int, cameras: Sequence[str], on_step: Listener | None = None
    ) -> Evaluation:
        """One fresh start, with these images."""
        k = policy.chunk_size
        driver = Driver(policy, self.execution.build(len(policy.rig.joints), k), policy.rig, self.execution.every(k))
        return drive(driver, world, episodes=1, seed=seed, cameras=cameras, on_step=on_step)


def starts_at_once(asked: int | None, starts: int, description: Description, device: str) -> int:
    """Processes that drive ``starts`` fresh starts: as many as were asked for, else as many as pay.

    On a GPU each would take memory of its own, so there it is one. Raises BadInput when none was asked for.
    """
    least = worth_a_process(description.inputs.cameras) if device == "cpu" else max(1, starts)
    return crew_size(asked, starts, least)


def film(driven: Driven, seeds: Sequence[int], video: Path, tell: Callable[[], None]) -> Evaluation:
    """Drives these starts one after another, and films them with all cameras; ``tell`` after each."""
    policy, evaluation = driven.policy(), Evaluation(())
    with closing(World(policy.rig, driven.task)) as world, Film(video, policy.rig) as frames:
        for seed in seeds:
            evaluation += driven.drive(policy, world, seed, policy.rig.camera_names, frames.add)
            tell()
    return evaluation


@contextmanager
def _driving(driven: Driven) -> Iterator[Callable[[int], Evaluation]]:
    """Seed -> what came of that start."""
    policy = driven.policy()
    with closing(World(policy.rig, driven.task)) as world:
        yield lambda seed: driven.drive(policy, world, seed, policy.cameras)


def drive_at_once(driven: Driven, seeds: Sequence[int], workers: int, tell: Callable[[], None]) -> Evaluation:
    """Drives these starts in ``workers`` processes, the same outcomes however many; ``tell`` after each.

    Raises BadInput when the run or the task cannot be used, and Fault when a process dies.
    """
    evaluation = Evaluation(())
    with Crew[int, Evaluation](workers, _driving, driven) as crew:
        for one in crew.each(seeds):
            evaluation += one
            tell()
    return Evaluation(tuple(sorted(evaluation.outcomes, key=lambda outcome: outcome.seed)))
