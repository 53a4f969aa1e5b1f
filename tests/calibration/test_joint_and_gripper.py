"""Ticks to radians and openings, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.arm import ArmCalibration
from calibration.gripper import GripperCalibration
from calibration.joint import JointCalibration
from il_robot.errors import BadInput

ZEROS = st.floats(0, 4096)
SIGNS = st.sampled_from([1, -1])


@given(zero=ZEROS, sign=SIGNS, ticks=st.integers(-4096, 8192), closed=ZEROS, stroke=st.floats(51, 2000), way=SIGNS)
def test_ticks_come_back(zero: float, sign: int, ticks: int, closed: float, stroke: float, way: int) -> None:
    arm = ArmCalibration(
        {"waist": JointCalibration(zero, sign)}, {"gripper": GripperCalibration(closed, closed + way * stroke)}
    )
    scale = arm.for_joints(["waist", "gripper"], "follower_left")
    there = np.array([ticks, ticks])
    assert np.abs(scale.ticks(scale.position(there)) - there).max() <= 1  # float32 rounds


@given(zero=ZEROS, sign=SIGNS)
def test_a_quarter_turn(zero: float, sign: int) -> None:
    scale = ArmCalibration({"waist": JointCalibration(zero, sign)}).for_joints(["waist"], "arm")
    assert scale.position([round(zero) + 1024])[0] == pytest.approx(sign * math.pi / 2, abs=2e-3)


def test_a_gripper_is_0_closed_and_1_open_whichever_way_it_turns() -> None:
    for closed, opened in ((1643, 3020), (3020, 1643)):
        scale = ArmCalibration({}, {"gripper": GripperCalibration(closed, opened)}).for_joints(["gripper"], "arm")
        assert scale.position([closed])[0] == 0
        assert scale.position([opened])[0] == 1
        assert scale.is_gripper.tolist() == [True]


def test_finger_distance_is_the_published_one() -> None:
    """ALOHA's constants: joint 1.4910 rad is finger 0.05800 m, joint -0.6213 rad is 0.01844 m."""
    tick = 4096 / (2 * math.pi)
    gripper = GripperCalibration(2048 - 0.6213 * tick, 2048 + 1.4910 * tick, horn_m=0.022, rod_m=0.036)
    assert gripper.finger_m(1.0) == pytest.approx(0.05800, abs=2e-4)
    assert gripper.finger_m(0.0) == pytest.approx(0.01844, abs=2e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JointCalibration(2048, 2), "sign 2: allowed: 1, -1"),
        (lambda: JointCalibration(9000), "zero_ticks 9000"),
        (lambda: GripperCalibration(2000, 2010), "less than 50 ticks apart"),
        (lambda: GripperCalibration(1000, 2000, horn_m=0.02), "both or neither"),
        (lambda: GripperCalibration(1000, 2000, horn_m=0.04, rod_m=0.02), "at most rod_m"),
        (lambda: GripperCalibration(1000, 2000).finger_m(0.5), "finger distance needs"),
        (lambda: ArmCalibration({"waste": JointCalibration()}).for_joints(["waist"], "x"), "did you mean 'waist'"),
        (
            lambda: ArmCalibration({"a": JointCalibration(), "b": JointCalibration()}).for_joints(["a"], "x"),
            "joint 'b' is not in rig.yaml",
        ),
    ],
)
def test_impossible_numbers_are_one_line(make: object, message: str) -> None:
    with pytest.raises(BadInput, match=message) as raised:
        make()  # type: ignore[operator]
    assert "\n" not in str(raised.value)
