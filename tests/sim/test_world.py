"""The world keeps its word: seeded, in our units, within the limits, whatever is asked of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim import disturbances
from il_robot.sim.world import CUBE_START, World
from il_robot.types import Floats


def _wiggle(world: World, seed: int, steps: int = 25) -> list[Floats]:
    rng = np.random.default_rng(seed)
    world.reset(seed)
    track = []
    for _ in range(steps):
        world.step((world.rig.start + rng.uniform(-0.3, 0.3, 14)).astype(np.float32))
        seen = world.observe()
        assert seen.qvel is not None and seen.effort is not None
        track.append(np.concatenate([seen.qpos, seen.qvel, seen.effort, seen.objects["cube"]]))
    return track


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(world: World, rig: Rig) -> None:
    first = _wiggle(world, 3)
    np.testing.assert_array_equal(first, _wiggle(world, 3))
    np.testing.assert_array_equal(first, _wiggle(World(rig), 3))
    assert np.abs(np.array(first) - np.array(_wiggle(world, 4))).max() > 0.01


def test_a_reset_puts_the_arms_at_their_start_and_the_cube_on_its_patch(world: World, rig: Rig) -> None:
    places = []
    for seed in range(20):
        world.reset(seed)
        seen = world.observe()
        np.testing.assert_allclose(seen.qpos, rig.start, atol=1e-6)
        assert seen.time_ns == 0
        places.append(seen.objects["cube"][:2])
    for axis, (lower, upper) in enumerate(CUBE_START):
        along = np.array(places)[:, axis]
        assert lower <= along.min() and along.max() <= upper and np.ptp(along) > 0.5 * (upper - lower)


def test_an_explicit_cube_is_put_where_it_is_asked(world: World) -> None:
    pose = np.array([0.15, -0.05, 0.02, 0.9238795, 0, 0, 0.3826834], np.float32)
    world.reset(0, cube=pose)
    np.testing.assert_allclose(world.cube, pose, atol=1e-6)


def test_the_servos_follow_and_the_grippers_go_from_0_to_1(world: World, rig: Rig) -> None:
    world.reset(0)
    target = rig.start + np.float32(0.2)
    target[[6, 13]] = 1.0, 0.5
    for _ in range(100):
        world.step(target)
    np.testing.assert_allclose(world.qpos, target, atol=0.01)
    assert world.time_ns == 100 * rig.period_ns
    for _ in range(50):
        world.step(rig.start)
    np.testing.assert_allclose(world.qpos[[6, 13]], 0.0, atol=0.01)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-10, 10, width=32), min_size=14, max_size=14))
def test_no_action_breaks_the_physics(world: World, action: list[float]) -> None:
    world.reset(0)
    for _ in range(60):
        world.step(np.array(action, np.float32))
    assert not world.diverged and np.isfinite(world.qpos).all() and np.isfinite(world.cube).all()


@pytest.mark.parametrize("joint", ["left_waist", "left_wrist_rotate", "left_forearm_roll", "right_gripper"])
def test_a_joint_stops_at_its_limit(world: World, rig: Rig, joint: str) -> None:
    """Of the joints that reach their limits without hitting anything."""
    index = rig.joint_names.index(joint)
    for asked, limit in ((rig.upper[index] + 1, rig.upper[index]), (rig.lower[index] - 1, rig.lower[index])):
        world.reset(0)
        action = rig.start
        action[index] = asked
        for _ in range(150):
            world.step(action)
        assert world.qpos[index] == pytest.approx(limit, abs=0.01)


@pytest.mark.parametrize("kind", disturbances.KINDS)
def test_every_disturbance_changes_something_and_breaks_nothing(world: World, kind: str) -> None:
    world.reset(0)
    before = np.concatenate([world.qpos, world.cube])
    world.disturb(kind, np.random.default_rng(0))
    after = np.concatenate([world.qpos, world.cube])
    assert np.abs(after - before).max() > 0.01
    world.reset(0)
    world.disturb(kind, np.random.default_rng(0))
    np.testing.assert_array_equal(np.concatenate([world.qpos, world.cube]), after)
    for _ in range(50):
        world.step(world.qpos)
    assert not world.diverged and world.cube[2] > 0.0


def test_bad_input(world: World, rig: Rig) -> None:
    world.reset(0)
    with pytest.raises(BadInput, match="did you mean 'transfer_cube'"):
        World(rig, "transfer_cub")
    with pytest.raises(BadInput, match="14 joints"):
        world.step(np.zeros(13, np.float32))
    with pytest.raises(BadInput, match="not finite"):
        world.step(np.full(14, np.nan, np.float32))
    with pytest.raises(BadInput, match="no disturbance 'kick'"):
        world.disturb("kick", np.random.default_rng(0))
    with pytest.raises(BadInput, match="x y z qw qx qy qz"):
        world.reset(0, cube=np.zeros(7, np.float32))
