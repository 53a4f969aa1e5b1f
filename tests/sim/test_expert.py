"""The scripted human does the task from anywhere, within the limits, from what it sees alone."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim import disturbances, rollout
from il_robot.sim.expert import PHASES, Expert
from il_robot.sim.manner import Style
from il_robot.sim.rollout import Outcome
from il_robot.sim.task import Milestone, TransferCube
from il_robot.sim.world import World
from il_robot.types import Floats


def _perform(world: World, expert: Expert, seed: int) -> tuple[Outcome, list[Floats], list[Milestone], list[str]]:
    actions, milestones, phases = [], [], []

    def listen(_: int, __: object, action: Floats, milestone: Milestone) -> None:
        actions.append(action)
        milestones.append(milestone)
        phases.append(expert.phase)

    outcome = rollout.run(world, expert.act, seed=seed, steps=450, on_step=listen, until=lambda: expert.done)
    return outcome, actions, milestones, phases


@pytest.mark.parametrize(("style", "seed"), [("closed_loop", 0), ("closed_loop", 1), ("timed", 2), ("human", 3)])
def test_it_holds_the_cube_at_the_end(world: World, rig: Rig, style: Style, seed: int) -> None:
    outcome, actions, milestones, phases = _perform(world, Expert(rig, style=style, seed=seed), seed)
    assert outcome.held and outcome.success and not outcome.crash and not outcome.stall
    assert outcome.steps < 450
    first = [milestones.index(milestone) for milestone in list(Milestone)[1:]]
    assert first == sorted(first), "milestones come in order"
    assert set(phases) == set(PHASES)
    moves = np.diff(np.array([rig.start, *actions]), axis=0)
    assert (np.abs(moves) <= 0.7 * rig.velocity / rig.rate_hz).all(), "the safety gate would clip this"
    assert (np.array(actions) >= rig.lower).all() and (np.array(actions) <= rig.upper).all()


@pytest.mark.parametrize("kind", disturbances.KINDS)
def test_it_takes_over_from_disturbed_states(world: World, rig: Rig, kind: str) -> None:
    expert = Expert(rig)
    rng = np.random.default_rng(1)
    world.reset(1)
    for _ in range(110):
        world.step(expert.act(world.observe()))
    world.disturb(kind, rng)
    task = TransferCube(world)
    before = world.observe()
    expert.reset(before)
    first = expert.act(before)
    assert (np.abs(first - before.qpos) <= 0.2 * rig.velocity * 0.3).all(), "it starts where the arms are"
    world.step(first)
    for _ in range(450):
        world.step(expert.act(world.observe()))
        task.update()
        if expert.done and task.held:
            break
    assert task.held


def test_the_same_seed_moves_the_same_and_people_differ(world: World, rig: Rig) -> None:
    one, again, other = (np.array(_perform(world, Expert(rig, style="human", seed=s), 0)[1]) for s in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or np.abs(one - other).max() > 0.01


def test_timed_demonstrations_wait_where_they_are_early(world: World, rig: Rig) -> None:
    lengths = {_perform(world, Expert(rig, style="timed"), seed)[0].steps for seed in (0, 1)}
    assert max(lengths) - min(lengths) <= 5
    assert min(lengths) > _perform(world, Expert(rig), 0)[0].steps + 50


def test_bad_input(world: World, rig: Rig) -> None:
    with pytest.raises(BadInput, match="did you mean 'human'"):
        Expert(rig, style=cast(Style, "humam"))
    with pytest.raises(BadInput, match="cube's pose"):
        Expert(rig).act(replace(world.observe(), objects={}))
