"""The guide through a calibration, with an arm of numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.arm import ArmCalibration
from calibration.capture import SAMPLES
from calibration.gripper import GripperCalibration
from calibration.guide import Poses, Progress, ReferencePose, capture_arm, fit_arm
from calibration.joint import RAD_PER_TICK, JointCalibration
from calibration.pose_check import PoseCheck
from il_robot.errors import Fault


def test_what_cannot_be_kept_is_one_line_and_harms_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "unfinished.yaml"
    Progress({"follower_left": {}}).save(kept)
    kept.with_name(f"{kept.name}.part").mkdir()  # in the way
    with pytest.raises(Fault, match=f"{kept}: cannot be written: Is a directory; the file of before is still there"):
        Progress({}).save(kept)
    assert Progress.resume(kept).captured == {"follower_left": {}}


def test_a_pose_that_was_not_held_still_is_asked_for_again(tmp_path: Path) -> None:
    restless = iter(itertools.chain(range(0, 10 * SAMPLES, 10), itertools.repeat(2000)))
    told: list[str] = []
    capture_arm(
        "follower_left",
        lambda: np.array([float(next(restless))]),
        ["waist"],
        ArmCalibration({"waist": JointCalibration()}, {}),
        Poses((ReferencePose("straight", "arm straight", {"waist": 0.0}),)),
        told.append,
        tmp_path / "unfinished.yaml",
        {},
    )
    assert told == [
        "follower_left, straight: arm straight",
        "waist moved by 240 ticks (allowed 6); hold the arm still; once more, follower_left, straight: arm straight",
    ]
    assert Progress.resume(tmp_path / "unfinished.yaml").captured["follower_left"]["straight"] == {"waist": 2000.0}


POSES = Poses(
    (
        ReferencePose("straight", "arm straight", {"waist": 0.0, "elbow": 0.0}),
        ReferencePose("turned", "arm turned", {"waist": 1.5, "elbow": 0.0}),
    )
)
PRIOR = ArmCalibration(
    {"waist": JointCalibration(), "elbow": JointCalibration()}, {"gripper": GripperCalibration(2000.0, 3000.0)}
)
STRAIGHT, TURNED = (2048.0, 2048.0, 2000.0), (3026.0, 2048.0, 2000.0)
CLOSED, OPEN = (2048.0, 2048.0, 2010.0), (2048.0, 2048.0, 2990.0)
Ticks = tuple[float, float, float]


def led(tmp_path: Path, *held: Ticks) -> tuple[list[str], dict[str, dict[str, float]]]:
    """What was asked of an operator who holds these (waist, elbow, gripper) in turn, and what was kept."""
    told: list[str] = []
    capture_arm(
        "leader",
        lambda: np.array(held[len(told) - 1]),
        ["waist", "elbow", "gripper"],
        PRIOR,
        POSES,
        told.append,
        tmp_path / "unfinished.yaml",
        {"elbow": (1000, 3000)},
    )
    assert len(told) == len(held), "every one was asked for"
    return told, Progress.resume(tmp_path / "unfinished.yaml").captured["leader"]


def test_poses_that_are_right_are_asked_for_once(tmp_path: Path) -> None:
    told, kept = led(tmp_path, STRAIGHT, TURNED, CLOSED, OPEN)
    assert [line.split(":")[0] for line in told] == [f"leader, {name}" for name in kept]
    assert list(kept) == ["straight", "turned", "gripper closed", "gripper open"]


@pytest.mark.parametrize(
    ("held", "at", "said"),
    [
        (
            (STRAIGHT, STRAIGHT, TURNED, CLOSED, OPEN),
            2,
            "waist moved 0.00 rad since pose straight, 1.50 are asked for",
        ),
        ((STRAIGHT, (3026, 2300, 2000), TURNED, CLOSED, OPEN), 2, "elbow moved 0.39 rad since"),
        ((STRAIGHT, (3026, 3100, 2000), TURNED, CLOSED, OPEN), 2, "elbow reads 3100 ticks, its servo reaches 1000 to"),
        (
            ((2048, 2400, 2000), STRAIGHT, TURNED, CLOSED, OPEN),
            1,
            "elbow is 0.5 rad from where calibration.yaml",
        ),
        ((STRAIGHT, (1070, 2048, 2000), TURNED, CLOSED, OPEN), 2, "waist turned the other way than calibration.yaml"),
        ((STRAIGHT, TURNED, CLOSED, CLOSED, OPEN), 4, "less than 50 ticks apart"),
        ((STRAIGHT, TURNED, CLOSED, (2048, 2048, 2200), OPEN), 4, "gripper moved 19% of the stroke"),
    ],
)
def test_a_wrong_pose_is_said_at_once_and_asked_for_again(
    tmp_path: Path, held: tuple[Ticks, ...], at: int, said: str
) -> None:
    told, kept = led(tmp_path, *held)
    assert said in told[at]
    assert [line for line in told if "once more, leader, " in line] == [told[at]]
    assert kept["turned"] == dict(zip(("waist", "elbow", "gripper"), TURNED, strict=True))


def test_joints_that_no_pose_turns_are_told_in_the_report(tmp_path: Path) -> None:
    led(tmp_path, STRAIGHT, TURNED, CLOSED, OPEN)
    _, report = fit_arm("leader", PRIOR, POSES, Progress.resume(tmp_path / "unfinished.yaml"))
    assert report.sign_unproven == ("elbow",)


def test_an_arm_that_is_built_otherwise_is_taken_as_it_is_when_it_says_so_twice(tmp_path: Path) -> None:
    reversed_waist = (1070.0, 2048.0, 2000.0)
    told, kept = led(tmp_path, STRAIGHT, reversed_waist, reversed_waist, OPEN, CLOSED, CLOSED)
    assert "waist turned the other way than calibration.yaml says (the same again is taken as it is)" in told[2]
    assert "gripper opened the other way" in told[5]
    assert kept["turned"]["waist"] == reversed_waist[0]


def test_when_a_pose_stays_wrong_the_one_before_was_and_comes_again(tmp_path: Path) -> None:
    a_bit_off = (2248.0, 2048.0, 2000.0)  # less than would surprise
    told, kept = led(tmp_path, a_bit_off, TURNED, TURNED, STRAIGHT, TURNED, CLOSED, OPEN)
    assert "straight may have been the wrong one, so that comes again; once more, leader, straight: " in told[3]
    assert kept["straight"]["waist"] == 2048


def test_captures_that_the_rig_s_files_contradict_meanwhile_are_not_gone_on_with(tmp_path: Path) -> None:
    names = ("waist", "elbow", "gripper")
    before = {name: dict(zip(names, STRAIGHT, strict=True)) for name in ("straight", "turned")}
    Progress({"leader": before}).save(tmp_path / "unfinished.yaml")
    told, _ = led(tmp_path, STRAIGHT, TURNED, CLOSED, OPEN)
    assert told[0].startswith("leader, straight: ")


@given(
    zero=st.floats(1830, 2260),
    sign=st.sampled_from([-1, 1]),
    angles=st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=4),
    off=st.floats(0.25, 3.0),
)
def test_no_right_pose_is_doubted_and_every_wrong_one_is(
    zero: float, sign: int, angles: list[float], off: float
) -> None:
    poses = tuple(ReferencePose(str(number), "", {"waist": angle}) for number, angle in enumerate(angles))
    check = PoseCheck(ArmCalibration({"waist": JointCalibration(2048, sign)}), poses)
    done: dict[str, dict[str, float]] = {}
    for pose in poses:
        ticks = {"waist": zero + sign * pose.angles["waist"] / RAD_PER_TICK}
        assert check.doubts(done, pose.name, ticks) == []
        done[pose.name] = ticks
    last = poses[-1].name
    wrong = {"waist": done[last]["waist"] + 2 * off / RAD_PER_TICK}
    if len(poses) > 1:
        assert check.doubts({name: done[name] for name in done if name != last}, last, wrong)
