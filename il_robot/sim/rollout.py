"""One episode of somebody driving the simulated rig, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from il_robot.sim.task import Milestone, TransferCube
from il_robot.sim.world import World
from il_robot.types import Floats, Observation

STALL_S = 3.0
"""An episode that ends neither held nor crashed stalled if nothing had been achieved for this long."""

Listener: TypeAlias = Callable[[int, Observation, Floats, Milestone], None]
"""Called after each step with its index, what was seen before it, the action sent, and the milestone it led to."""


def worth_a_process(cameras: Sequence[object]) -> int:
    """Episodes for which it pays to begin another process, which takes seconds to load its libraries: an episode takes
    seconds where images are drawn, else a fraction of one."""
    return 4 if cameras else 25


@dataclass(frozen=True)
class Outcome:
    """How an episode went."""

    seed: int
    reached: Milestone
    """The furthest milestone of the episode."""
    held: bool
    """At the end the left gripper holds the cube in the air."""
    crash: str
    """Why the episode was cut short (cube lost, physics diverged, action not finite); empty if it was not."""
    stall: bool
    """Neither held nor crashed, and no progress in its last seconds."""
    steps: int

    @property
    def success(self) -> bool:
        """The cube was handed over, once at least."""
        return self.reached >= Milestone.TRANSFER


def run(
    world: World,
    act: Callable[[Observation], Floats],
    *,
    seed: int,
    steps: int,
    cameras: Sequence[str] = (),
    on_step: Listener | None = None,
    until: Callable[[], bool] | None = None,
    cube: Floats | None = None,
) -> Outcome:
    """Resets ``world`` to ``seed`` and lets ``act`` drive for at most ``steps`` control periods.

    ``cameras`` are rendered for ``act``; ``until``, asked after each step, ends the episode early; ``cube`` (7,)
    replaces the cube's drawn pose. A crash ends the episode; it is an outcome, not an error.
    """
    world.reset(seed, cube)
    task = TransferCube(world)
    crash, step = "", 0
    while step < steps and not crash:
        observation = world.observe(cameras)
        action = act(observation)
        if not np.isfinite(action).all():
            crash = "action not finite"
            break
        world.step(action)
        milestone = task.update()
        if on_step is not None:
            on_step(step, observation, action, milestone)
        step += 1
        crash = _crash(world, task)
        if until is not None and until():
            break
    held = task.held and not crash
    stall = not held and not crash and task.since_progress >= STALL_S * world.rig.rate_hz
    return Outcome(seed, task.reached, held, crash, stall, step)


def _crash(world: World, task: TransferCube) -> str:
    if world.diverged:
        return "physics diverged"
    return "cube lost" if task.lost else ""
