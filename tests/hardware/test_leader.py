"""Leaders that carry their own weight: the model against MuJoCo's, the current against its limit, and on the bus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.joint import RAD_PER_TICK
from calibration.rig_file import load_rig
from hardware.arm_loop import ArmLoop
from hardware.arm_setup import inspect_arm, set_up_arm
from hardware.bus import Bus
from hardware.dynamixel_arm import PUSH_TICKS, DynamixelArm
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_rig import as_built
from hardware.gravity import holding_torque
from hardware.leader import CATCH_UP, FAST_RAD_S, IGNORED, Leader
from hardware.wiring import load_wiring
from il_robot.control.rate import SystemClock
from il_robot.errors import BadInput, Fault
from il_robot.sim import headless  # noqa: F401  (chooses the GL before mujoco is imported, for the tests after this)

import mujoco  # isort: skip

RIG = load_rig("aloha")
WIRING, CALIBRATION = load_wiring(RIG, "aloha")
JOINTS = RIG.arms[0].joint_names
WEIGHT = replace(WIRING.gravity["wx250s"], carried=True)
POSE = np.array([0.0, 0.3, 0.2, 0.0, 0.3, 0.0, 0.0], np.float32)
"""Stretched forwards: the shoulder carries most of what it ever does."""
STEP = RIG.velocity[:7] * np.float32(0.02)
SLOW_TICKS = CATCH_UP * STEP[0] / RAD_PER_TICK + 1
MAINS = {servo.joint: servo.id for servo in WIRING.chain("leader_left") if servo.shadow_of is None}
AMPERE = 0.00269


def mujoco_arm() -> mujoco.MjModel:
    """The same links, its own mathematics."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    body = spec.worldbody
    for link in WEIGHT.links:
        body = body.add_body(name=link.joint, pos=link.at, mass=link.mass, ipos=link.centre, inertia=[1e-3] * 3)
        body.explicitinertial = True
        body.add_joint(name=link.joint, type=mujoco.mjtJoint.mjJNT_HINGE, axis=link.axis)
    return spec.compile()


MODEL = mujoco_arm()


@given(st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6))
def test_the_holding_torque_is_mujocos(angles: list[float]) -> None:
    data = mujoco.MjData(MODEL)
    data.qpos[:] = angles
    mujoco.mj_forward(MODEL, data)
    assert holding_torque(WEIGHT.links, np.array(angles)) == pytest.approx(data.qfrc_bias, abs=1e-3)


class Hanging:
    """An emulated leader that weighs at POSE what the model says, in the operator's hands."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        chain = WIRING.chain("leader_left")
        self.bus = stack.enter_context(EmulatedBus(as_built(chain), folder / "leader_left"))
        bus = Bus(self.bus.port, reply_s=0.1)
        stack.callback(bus.close)
        scale = CALIBRATION.arm("leader_left").for_joints(JOINTS, "leader_left")
        self.ticks = scale.ticks
        self.arm = DynamixelArm("leader_left", bus, chain, scale, JOINTS)
        set_up_arm(self.arm, inspect_arm(self.arm))
        self.bus.do("place", ticks={str(MAINS[j]): int(t) for j, t in zip(JOINTS, scale.ticks(POSE), strict=True)})
        self.said: list[str] = []
        self.leader = Leader(self.arm, STEP, WEIGHT, self.said.append)

    def weigh(self, share: float = 1.0) -> None:
        """From now on gravity pulls. Each unit of current in each of a joint's servos holds a share of it."""
        torque = dict(zip([link.joint for link in WEIGHT.links], holding_torque(WEIGHT.links, POSE[:6]), strict=True))
        joints = ("shoulder", "elbow", "forearm_roll", "wrist_angle")
        loads = {str(MAINS[j]): -share * torque[j] / (4.1 / 2.3) / AMPERE for j in joints}
        self.bus.do("load", loads=loads)

    def let_go(self) -> None:
        """Into the hands, which hold it until its servos carry what they shall."""
        self.leader.let_go()
        state = self.arm.read()
        assert state is not None
        self.leader.carry(replace(state, time_ns=state.time_ns - 10**10))
        self.leader.carry(state)

    def stiff(self) -> int:
        """How many servos have torque."""
        return sum(servo["Torque_Enable"] for servo in self.bus.do("state").values())

    def goals(self) -> np.ndarray:
        """(J,) where its servos are sent [ticks]."""
        servos = self.bus.do("state")
        return np.array([servos[MAINS[joint]]["Goal_Position"] for joint in JOINTS])

    def moved(self) -> int:
        """How far any joint but the gripper is from POSE [ticks]."""
        servos = self.bus.do("state")
        here = np.array([servos[MAINS[joint]]["Present_Position"] for joint in JOINTS])
        return int(np.abs(here - self.ticks(POSE))[:6].max())

    def sunk(self) -> float:
        """How far it is from POSE [rad]."""
        return float(np.abs(self.arm.here() - POSE)[:6].max())

    def currents(self) -> np.ndarray:
        return np.array([abs(servo["Present_Current"]) * AMPERE for servo in self.bus.do("state").values()])


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    with ExitStack() as stack:
        yield Hanging(tmp_path, stack)


def test_a_free_leader_sinks(hanging: Hanging) -> None:
    hanging.arm.torque_off()
    hanging.weigh()
    time.sleep(0.5)
    assert hanging.sunk() > 0.5


def test_one_that_carries_itself_floats(hanging: Hanging) -> None:
    hanging.let_go()
    hanging.weigh(WEIGHT.share)  # friction, or a finger, holds the rest
    loop = ArmLoop(hanging.leader, 100.0, SystemClock(), "leader_left")
    loop.start()
    time.sleep(1.0)
    loop.stop()
    assert hanging.sunk() < 0.1
    assert 0.5 < hanging.currents().max() <= WEIGHT.limit_a + AMPERE


def test_a_leader_whose_driver_is_gone_pushes_no_further(hanging: Hanging) -> None:
    """The worst case: the weight is gone (a hand lifted it), the pushing is not renewed."""
    hanging.let_go()
    hanging.bus.do("load", loads={str(i): 0.01 for i in MAINS.values()})
    time.sleep(1.0)
    ticks = CALIBRATION.arm("leader_left").for_joints(JOINTS, "leader_left").ticks(hanging.arm.here() - POSE)
    assert 0.1 < hanging.sunk() < 0.2
    assert np.abs(ticks[:6] - 2048).max() <= PUSH_TICKS + 1
    set_up_arm(hanging.arm, inspect_arm(hanging.arm))  # the next start: more current, but no jump
    before = hanging.arm.here()
    time.sleep(0.2)
    assert np.abs(hanging.arm.here() - before).max() < 5e-3


def test_taken_out_of_the_hands_it_stands_where_it_was_with_its_own_current(hanging: Hanging) -> None:
    hanging.let_go()
    assert hanging.leader.carries_itself
    hanging.leader.take()
    assert not hanging.leader.carries_itself
    before = hanging.arm.here()
    time.sleep(0.2)
    assert hanging.sunk() < 0.1 and np.abs(hanging.arm.here() - before).max() < 0.02
    servos = hanging.bus.do("state")
    assert all(servo["Torque_Enable"] for servo in servos.values())
    assert {servos[MAINS[joint]]["Goal_Current"] for joint in JOINTS[:5]} == {500}


def until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.005)


def lost_half_way(hanging: Hanging, leader: Leader, loop: ArmLoop) -> None:
    """Pulls the plug while the leader is being taken up: some of its servos have torque, some have none."""
    while True:
        hanging.bus.do("delay", seconds=0.03)
        leader.want(follows=True)
        until(lambda: hanging.stiff() > 0)
        if hanging.stiff() < len(MAINS) + 2:
            hanging.bus.do("unplug")
            if 0 < hanging.stiff() < len(MAINS) + 2:
                break
            hanging.bus.do("plug")  # a stalled machine was too late
        hanging.bus.do("delay", seconds=0.0)
        leader.want(follows=False)
        until(lambda: hanging.stiff() == 0)
    with pytest.raises(Fault, match=r"lost.*; leader_left may be half stiff until it answers again: hold it"):
        while True:
            loop.wait_newer(2**62, timeout_s=0.05)
    hanging.bus.do("delay", seconds=0.0)


@pytest.mark.parametrize(("follows", "said"), [(True, "stiff as a whole, and follows"), (False, "free as a whole, in")])
def test_a_leader_lost_while_it_is_taken_up_is_never_left_half_stiff(
    hanging: Hanging, follows: bool, said: str
) -> None:
    leader = Leader(hanging.arm, STEP, say=hanging.said.append)
    leader.want(follows=False)
    loop = ArmLoop(leader, 50.0, SystemClock(), "leader_left")
    loop.start()
    try:
        assert loop.wait_newer(0, timeout_s=5) is not None
        lost_half_way(hanging, leader, loop)
        leader.want(follows=follows)  # a pedal pressed meanwhile counts
        loop.command(np.zeros(7, np.float32))  # as control goes on doing
        hanging.bus.do("plug")
        until(lambda: bool(hanging.said))
        assert loop.wait_newer(time.time_ns(), timeout_s=5) is not None
    finally:
        loop.stop()
    assert hanging.said[0].startswith(f"leader_left is {said}"), hanging.said
    assert hanging.stiff() == (len(MAINS) + 2 if follows else 0)
    assert hanging.sunk() < 0.01, "it stands where it stood"


def test_commands_to_a_leader_that_is_taken_up_never_make_it_jump(hanging: Hanging) -> None:
    leader = Leader(hanging.arm, STEP)
    leader.want(follows=False)
    loop = ArmLoop(leader, 50.0, SystemClock(), "leader_left")
    loop.start()
    far, moved = POSE + np.float32(0.8), 0
    try:
        assert loop.wait_newer(0, timeout_s=5) is not None
        before = hanging.goals()
        loop.command(far)
        assert (hanging.goals() == before).all(), "it is in the operator's hands"
        hanging.bus.do("delay", seconds=0.02)
        leader.want(follows=True)
        while hanging.stiff() < len(MAINS) + 2:
            loop.command(far)
            moved = max(moved, hanging.moved())
        hanging.bus.do("delay", seconds=0.0)
        assert loop.wait_newer(time.time_ns(), timeout_s=5) is not None
    finally:
        loop.stop()
    assert max(moved, hanging.moved()) <= 2 * SLOW_TICKS, "one command was waiting, one came since"


def test_a_leader_comes_to_what_it_is_commanded_slowly_and_follows_it_at_its_limit(hanging: Hanging) -> None:
    hanging.leader.take()
    at, target = hanging.goals(), POSE + np.float32(0.3)
    for _ in range(25):
        hanging.leader.command(target)
        before, at = at, hanging.goals()
        assert np.abs(at - before)[:6].max() <= SLOW_TICKS
    assert np.abs(at - hanging.ticks(target))[:6].max() <= 3, "it comes there"
    hanging.leader.command(target - np.float32(0.5))
    assert SLOW_TICKS < np.abs(hanging.goals() - at)[:6].max() <= SLOW_TICKS / CATCH_UP


def test_a_leader_that_is_commanded_in_the_hands_is_a_fault_unless_it_is_just_let_go(hanging: Hanging) -> None:
    hanging.leader.let_go()
    for number in range(2 * IGNORED):
        said = hanging.leader.complaint()
        assert (said is not None and "in the operator's hands" in said) == (number > IGNORED)
        hanging.leader.command(POSE)
    hanging.leader.take()
    assert hanging.leader.complaint() is None


@given(
    qpos=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=7, max_size=7),
    qvel=st.lists(st.floats(-10, 10, width=32), min_size=7, max_size=7),
)
def test_no_pose_and_no_speed_asks_for_more_than_the_limit(qpos: list[float], qvel: list[float]) -> None:
    arm = DynamixelArm.__new__(DynamixelArm)  # its numbers only: no port is opened
    arm.joints, arm.servos = JOINTS, WIRING.chain("leader_left")
    with np.errstate(invalid="ignore"):
        amperes = Leader(arm, STEP, WEIGHT).amperes(np.array(qpos, np.float32), np.array(qvel, np.float32))
    assert np.isfinite(amperes).all() and (np.abs(amperes) <= WEIGHT.limit_a).all()
    assert (amperes[5:] == 0).all(), "the XL430 senses no current"
    assert (np.abs(amperes) == 0)[np.array(qvel) * np.sign(amperes) > FAST_RAD_S].all()


@pytest.mark.parametrize("change", [{"limit_a": 3.0}, {"limit_a": 0.0}, {"share": 1.2}])
def test_a_dangerous_weight_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="gravity"):
        replace(WEIGHT, **change)
