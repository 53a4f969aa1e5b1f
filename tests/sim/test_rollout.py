"""An episode's outcome: held, stalled and crashed are told apart."""

from __future__ import annotations

import numpy as np

from il_robot.rig import Rig
from il_robot.sim import rollout
from il_robot.sim.task import Milestone, TransferCube
from il_robot.sim.world import World


def _cube(x: float, y: float, z: float = 0.02) -> np.ndarray:
    return np.array([x, y, z, 1, 0, 0, 0], np.float32)


def test_doing_nothing_stalls(world: World, rig: Rig) -> None:
    outcome = rollout.run(world, lambda _: rig.start, seed=0, steps=160)
    assert outcome.stall and not outcome.held and not outcome.crash
    assert outcome.reached == Milestone.NOTHING and outcome.steps == 160
    assert not rollout.run(world, lambda _: rig.start, seed=0, steps=100).stall, "too early to tell"


def test_an_action_that_is_not_finite_is_a_crash(world: World) -> None:
    outcome = rollout.run(world, lambda _: np.full(14, np.nan, np.float32), seed=0, steps=10)
    assert outcome.crash == "action not finite" and outcome.steps == 0 and not outcome.stall


def test_a_cube_that_falls_off_the_table_is_a_crash(world: World, rig: Rig) -> None:
    outcome = rollout.run(world, lambda _: rig.start, seed=0, steps=200, cube=_cube(0.0, 0.42))
    assert outcome.crash == "cube lost" and outcome.steps < 200


def test_listeners_see_what_was_seen_and_sent(world: World, rig: Rig) -> None:
    heard = []
    rollout.run(
        world,
        lambda _: rig.start,
        seed=0,
        steps=3,
        cameras=["cam_low"],
        on_step=lambda i, seen, action, milestone: heard.append((i, seen.time_ns, list(seen.images), milestone)),
    )
    assert heard == [(i, i * rig.period_ns, ["cam_low"], Milestone.NOTHING) for i in range(3)]


def test_lost_is_off_the_table_or_out_of_reach_on_it(world: World) -> None:
    task = TransferCube(world)
    for pose, lost in [
        (_cube(0.1, 0.0), False),
        (_cube(-0.3, 0.0), True),
        (_cube(0.1, 0.35), True),
        (_cube(-0.3, 0.0, z=0.2), False),
        (_cube(0.8, 0.0, z=0.1), True),
    ]:
        world.reset(0, cube=pose)
        assert task.lost == lost, pose
