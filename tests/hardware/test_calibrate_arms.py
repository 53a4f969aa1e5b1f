"""The guided calibration, end to end: an operator's hands on emulated arms whose zeros are not where they should be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from calibration.arm import load_calibration
from calibration.guide import Poses
from calibration.joint import RAD_PER_TICK
from calibration.rig_file import load_rig
from calibration.rig_folder import file_of_rig
from hardware.calibrate_arms import calibrate_arms
from hardware.calibrate_grippers import calibrate_grippers
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_rig import EmulatedRig
from hardware.wiring import load_wiring
from il_robot import strict_yaml
from il_robot.errors import BadInput


class Operator:
    """Brings emulated arms into the poses asked for. Every joint is built ``off`` ticks away, the waists reversed."""

    def __init__(self, poses: Poses, buses: dict[str, EmulatedBus], ids: dict[str, dict[str, int]]) -> None:
        self.poses, self.buses, self.ids = poses, buses, ids
        self.told: list[str] = []
        self.leave_after = 99
        self.askew = 10

    def off(self, arm: str, joint: str) -> int:
        return self.askew * self.ids[arm][joint] * (-1 if arm.startswith("leader") else 1)

    def __call__(self, instruction: str) -> None:
        self.told.append(instruction)
        if len(self.told) > self.leave_after:
            raise KeyboardInterrupt
        asked = re.search(r"(?:^|once more, )(\w+)(?:, ([^:]+))?: [^:]+$", instruction)
        assert asked is not None, instruction
        arm, named = asked[1], asked[2] or ""
        pose = next((p for p in self.poses.poses if p.name == named), None)
        ticks = {}
        for joint, angle in pose.angles.items() if pose else ():
            sign = -1 if joint == "waist" else 1
            ticks[str(self.ids[arm][joint])] = 2048 + self.off(arm, joint) + sign * angle / RAD_PER_TICK
        if "gripper" in named:
            ticks[str(self.ids[arm]["gripper"])] = 1500 if "close" in named else 2900
        self.buses[arm].do("place", ticks=ticks)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple]:
    whole = load_rig("aloha")
    rig = replace(whole, arms=whole.arms[:1])
    wiring, prior = load_wiring(whole, "aloha")
    names = ("follower_left", "leader_left")
    prior = replace(prior, arms={name: prior.arms[name] for name in names})
    with ExitStack() as stack:
        two = replace(wiring, arms={n: wiring.arms[n] for n in names})
        emulated = stack.enter_context(EmulatedRig(two, tmp_path))
        wiring, buses = emulated.wiring, emulated.buses
        poses = strict_yaml.load(file_of_rig("aloha", "poses.yaml"), Poses)
        ids = {n: {s.joint: s.id for s in wiring.chain(n) if s.shadow_of is None} for n in names}
        yield rig, wiring, prior, poses, Operator(poses, buses, ids), tmp_path / "calibration.yaml"


def test_an_arm_built_askew_is_measured(lab: tuple) -> None:
    rig, wiring, prior, poses, operator, path = lab
    report = calibrate_arms(rig, wiring, prior, poses, operator, path, reply_s=0.1)
    found = load_calibration(path)
    assert found.digest() != prior.digest()
    for arm in wiring.arms:
        for joint, calibration in found.arm(arm).joints.items():
            assert calibration.zero_ticks == pytest.approx(2048 + operator.off(arm, joint), abs=1)
            assert calibration.sign == (-1 if joint == "waist" else 1)
        assert found.arm(arm).grippers["gripper"].closed_ticks == 1500
        assert found.arm(arm).grippers["gripper"].open_ticks == 2900
        assert report.arms[arm].sign_changed == ("waist",)
    assert max(report.pairs_apart["left"].values()) < 2 * RAD_PER_TICK
    assert yaml.safe_load(path.with_suffix(".report.yaml").read_text())["pairs_apart"]["left"]
    assert sorted(p.name for p in path.parent.glob("*.yaml")) == ["calibration.report.yaml", "calibration.yaml"]


def test_an_interrupted_calibration_goes_straight_to_what_is_missing(lab: tuple) -> None:
    rig, wiring, prior, poses, operator, path = lab
    operator.leave_after = 9
    with pytest.raises(KeyboardInterrupt):
        calibrate_arms(rig, wiring, prior, poses, operator, path, reply_s=0.1)
    assert not path.exists()
    operator.leave_after = 99
    said: list[str] = []
    calibrate_arms(rig, wiring, prior, poses, operator, path, said.append, reply_s=0.1)
    asked = [line for line in operator.told if "lose its torque" not in line]
    assert len(asked) == len(set(asked)) + 1  # only the one that was interrupted is asked twice
    freed = [line.split(":")[0] for line in operator.told if "lose its torque" in line]
    assert freed == ["follower_left", "leader_left", "leader_left"], "an arm that is done is left alone"
    kept = "follower_left: straight, turned, back, gripper closed, gripper open kept from before (--afresh forgets it)"
    laid = "leader_left: captured; lay it down, it stays without torque"
    assert said == [kept, "leader_left: straight kept from before (--afresh forgets it)", laid]
    assert load_calibration(path).arm("leader_left").joints["elbow"].zero_ticks == pytest.approx(2048 - 40, abs=1)


def test_a_gripper_that_was_left_as_it_is_is_asked_for_again_at_once(lab: tuple) -> None:
    rig, wiring, prior, _, operator, path = lab
    absent = iter([True])

    def absent_once(instruction: str) -> None:
        """Leaves one gripper as it is."""
        if "follower_left, gripper open" in instruction and next(absent, False):
            operator.told.append(instruction)
        else:
            operator(instruction)

    calibrate_grippers(rig, wiring, prior, absent_once, path, reply_s=0.1)
    first = operator.told.index("follower_left, gripper open: open the gripper fully")
    assert "no gripper moves so little; once more, follower_left, gripper open" in operator.told[first + 1]
    assert load_calibration(path).arm("follower_left").grippers["gripper"].open_ticks == 2900


def test_a_zero_that_brings_the_rig_s_limits_out_of_reach_is_told_before_it_is_written(lab: tuple) -> None:
    rig, wiring, prior, poses, operator, path = lab
    operator.askew = 60  # times the servo's id
    with pytest.raises(BadInput, match=r"joint shoulder: zero_ticks \d+ .*841\.\.2867.*; the captures are kept: "):
        calibrate_arms(rig, wiring, prior, poses, operator, path, reply_s=0.1)
    assert not path.exists()
