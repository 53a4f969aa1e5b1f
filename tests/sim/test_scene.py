"""The model is the rig's: its limits, its joints, the real arm's lengths; other rigs are refused in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from il_robot.errors import BadInput
from il_robot.rig import Camera, Rig
from il_robot.sim import scene
from il_robot.sim.kinematics import ArmKinematics


def test_the_model_has_the_rigs_limits(rig: Rig) -> None:
    model = scene.build(rig)
    for name, joint in zip(rig.joint_names, rig.joints, strict=True):
        if joint.name != "gripper":
            np.testing.assert_allclose(model.joint(name).range, (joint.lower, joint.upper))


def test_an_arm_stretched_out_is_as_long_as_a_viperx(rig: Rig) -> None:
    tool = ArmKinematics(rig, "left").tool(np.zeros(6))
    base = np.array(scene.BASES["left"][0])
    np.testing.assert_allclose(tool.position - base, (0.05955 + 0.2 + 0.1 + 0.069744 + 0.14, 0.0, 0.42705), atol=1e-6)


def test_the_arms_face_each_other(rig: Rig) -> None:
    left, right = (ArmKinematics(rig, arm).tool(np.zeros(6)) for arm in ("left", "right"))
    np.testing.assert_allclose(left.rotation[:, 0], (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(right.rotation[:, 0], (-1, 0, 0), atol=1e-6)


def test_a_control_period_is_a_whole_number_of_physics_steps(rig: Rig) -> None:
    odd = replace(rig, rate_hz=30.0)
    assert scene.build(odd).opt.timestep * scene.substeps(odd) == pytest.approx(1 / 30)
    assert scene.substeps(rig) == 10


def test_rigs_it_cannot_build(rig: Rig) -> None:
    left, right = rig.arms
    cases = [
        (replace(rig, arms=(left,)), "missing: right"),
        (replace(rig, arms=(left, replace(right, name="rihgt"))), "did you mean 'right'"),
        (replace(rig, arms=(left, replace(right, joints=right.joints[:-1]))), "arm right has joints waist"),
        (replace(rig, cameras=(Camera("cam_hihg", 64, 48),)), "did you mean 'cam_high'"),
        (replace(rig, objects=("ball",)), "no object 'ball'"),
    ]
    for broken, cause in cases:
        with pytest.raises(BadInput, match=cause) as error:
            scene.build(broken)
        assert "\n" not in str(error.value)
