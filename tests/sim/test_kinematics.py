"""Inverse kinematics undoes forward kinematics, agrees with the world, and says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim.kinematics import ArmKinematics, Pose
from il_robot.sim.world import World


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["left", "right"]), st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6))
def test_there_and_back(rig: Rig, arm: str, offset: list[float]) -> None:
    kinematics = ArmKinematics(rig, arm)
    start = rig.start[rig.arm_slice(arm)][:6].astype(float)
    goal = kinematics.tool(np.clip(start + offset, kinematics.lower, kinematics.upper))
    joints, error = kinematics.solve(start, goal, iterations=400)
    assert (joints >= kinematics.lower).all() and (joints <= kinematics.upper).all()
    assert error < 2e-3
    assert np.linalg.norm(kinematics.tool(joints).error_to(goal)) == pytest.approx(error, abs=1e-9)


def test_the_tool_is_where_the_world_has_it(rig: Rig, world: World) -> None:
    world.reset(0)
    for arm in ("left", "right"):
        tool = ArmKinematics(rig, arm).tool(rig.start[rig.arm_slice(arm)][:6].astype(float))
        np.testing.assert_allclose(tool.position, world.data.site(f"{arm}_tool").xpos, atol=1e-6)


def test_out_of_reach_the_error_tells(rig: Rig) -> None:
    kinematics = ArmKinematics(rig, "left")
    goal = Pose(np.array([2.0, 0.0, 0.3]), np.eye(3))
    _, error = kinematics.solve(rig.start[:6].astype(float), goal)
    assert error > 0.5


def test_moving_a_pose_by_its_error_reaches_the_goal(rig: Rig) -> None:
    kinematics = ArmKinematics(rig, "left")
    a, b = kinematics.tool(np.zeros(6)), kinematics.tool(np.array([0.3, -0.4, 0.5, 0.6, -0.7, 0.8]))
    np.testing.assert_allclose(a.moved(a.error_to(b)).rotation, b.rotation, atol=1e-9)


def test_an_arm_that_does_not_exist(rig: Rig) -> None:
    with pytest.raises(BadInput, match="did you mean 'left'"):
        ArmKinematics(rig, "lefd")
