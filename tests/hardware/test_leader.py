"""Leaders that carry their own weight: the model against MuJoCo's, the current against its limit, and on the bus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.rig_file import load_rig
from hardware.arm import PUSH_TICKS, DynamixelArm
from hardware.arm_loop import ArmLoop
from hardware.arm_setup import inspect_arm, set_up_arm
from hardware.bus import Bus
from hardware.emulated_bus import EmulatedBus
from hardware.emulated_rig import as_built
from hardware.gravity import holding_torque
from hardware.leader import FAST_RAD_S, Leader
from hardware.wiring import load_wiring
from il_robot.control.rate import SystemClock
from il_robot.errors import BadInput
from il_robot.sim import headless  # noqa: F401  (chooses the GL before mujoco is imported, for the tests after this)

import mujoco  # isort: skip

RIG = load_rig("aloha")
WIRING, CALIBRATION = load_wiring(RIG, "aloha")
JOINTS = RIG.arms[0].joint_names
WEIGHT = replace(WIRING.gravity["wx250s"], carried=True)
POSE = np.array([0.0, 0.3, 0.2, 0.0, 0.3, 0.0, 0.0], np.float32)
"""Stretched forwards: the shoulder carries most of what it ever does."""
STILL = np.zeros(7, np.float32)
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
        self.arm = DynamixelArm("leader_left", bus, chain, scale, JOINTS)
        set_up_arm(self.arm, inspect_arm(self.arm))
        self.bus.do("place", ticks={str(MAINS[j]): int(t) for j, t in zip(JOINTS, scale.ticks(POSE), strict=True)})
        self.leader = Leader(self.arm, WEIGHT)

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
    loop = ArmLoop(hanging.arm, 100.0, SystemClock(), "leader_left", hanging.leader.carry)
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


@given(
    qpos=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=7, max_size=7),
    qvel=st.lists(st.floats(-10, 10, width=32), min_size=7, max_size=7),
)
def test_no_pose_and_no_speed_asks_for_more_than_the_limit(qpos: list[float], qvel: list[float]) -> None:
    arm = DynamixelArm.__new__(DynamixelArm)  # its numbers only: no port is opened
    arm.joints, arm.servos = JOINTS, WIRING.chain("leader_left")
    with np.errstate(invalid="ignore"):
        amperes = Leader(arm, WEIGHT).amperes(np.array(qpos, np.float32), np.array(qvel, np.float32))
    assert np.isfinite(amperes).all() and (np.abs(amperes) <= WEIGHT.limit_a).all()
    assert (amperes[5:] == 0).all(), "the XL430 senses no current"
    assert (np.abs(amperes) == 0)[np.array(qvel) * np.sign(amperes) > FAST_RAD_S].all()


@pytest.mark.parametrize("change", [{"limit_a": 3.0}, {"limit_a": 0.0}, {"share": 1.2}])
def test_a_dangerous_weight_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="gravity"):
        replace(WEIGHT, **change)
