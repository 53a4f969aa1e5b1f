"""Whole arms in radians: set-up by read-back, no jump at torque, slow moves, loss, on two kinds of rig."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.rig_file import load_rig
from hardware import control_table as table
from hardware.arm_loop import HOLD_AFTER, ArmLoop
from hardware.arm_motion import move_slowly, sleep_and_free
from hardware.arm_setup import in_short
from hardware.dynamixel_arm import DynamixelArm
from hardware.emulated_rig import EmulatedRig
from hardware.rig_arms import RigArms
from hardware.wiring import load_wiring
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault
from il_robot.rig import Rig

REPLY_S = 0.1
CLOCK = SystemClock()
FAST = 2.5  # rad/s: nobody stands beside an emulated arm


class Watched(SystemClock):
    """A clock at whose deadlines things happen: a move is at the same place then, however busy the machine is."""

    def __init__(self, events: dict[int, Callable[[], object]]) -> None:
        self._events = events
        self._deadlines = 0

    def sleep_until(self, time_ns: int) -> bool:
        self._deadlines += 1
        self._events.get(self._deadlines, lambda: None)()
        return super().sleep_until(time_ns)


class Lab:
    """One leader and follower of a rig on emulated buses, factory-fresh."""

    def __init__(self, name: str, folder: Path, stack: ExitStack) -> None:
        whole = load_rig(name)
        wiring, self.calibration = load_wiring(whole, name)
        self.rig: Rig = replace(whole, arms=whole.arms[:1])
        pair = self.rig.arms[0]
        two = {arm: wiring.arms[arm] for arm in (pair.follower, pair.leader)}
        emulated = stack.enter_context(EmulatedRig(replace(wiring, arms=two), folder))
        self.buses, self.wiring = emulated.buses, emulated.wiring
        self.arms = stack.enter_context(RigArms(self.rig, self.wiring, self.calibration, REPLY_S, FAST))
        self.follower, self.leader = self.arms.followers[0], self.arms.leaders[0]
        self.follower_bus, self.leader_bus = self.buses[pair.follower], self.buses[pair.leader]

    def place(self, arm: DynamixelArm, qpos: np.ndarray) -> None:
        """The hand moves a free arm there."""
        pair = self.rig.arms[0]
        scale = self.calibration.arm(arm.name).for_joints(pair.joint_names, arm.name)
        mains = {s.joint: s.id for s in arm.servos if s.shadow_of is None}
        ticks = {str(mains[j]): int(t) for j, t in zip(pair.joint_names, scale.ticks(qpos), strict=True)}
        self.buses[arm.name].do("place", ticks=ticks)


@pytest.fixture(params=["aloha", "koch"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(request.param, tmp_path, stack)


@pytest.fixture
def aloha(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab("aloha", tmp_path, stack)


def qpos(arm: DynamixelArm) -> np.ndarray:
    state = arm.read()
    assert state is not None
    return state.qpos


def test_set_up_writes_the_differences_once(lab: Lab) -> None:
    changes = lab.arms.set_up()
    assert any("Return_Delay_Time 250 -> 0" in str(change) for change in changes)
    lines = in_short(changes)
    assert [line.split(":")[0] for line in lines] == [f"arm {name}" for name in lab.arms.arms]
    assert sum(int(re.findall(r"(\d+) registers", line)[0]) for line in lines) == len(changes) > 2 * len(lines)
    writes = {i: s["eeprom_writes"] for i, s in lab.follower_bus.do("state").items()}
    assert lab.arms.set_up() == []
    assert {i: s["eeprom_writes"] for i, s in lab.follower_bus.do("state").items()} == writes
    for servo in lab.wiring.chain(lab.follower.name):
        state = lab.follower_bus.do("state")[servo.id]
        assert (state["Min_Position_Limit"], state["Max_Position_Limit"]) == (servo.lower_ticks, servo.upper_ticks)
        assert (state["Drive_Mode"], state["Position_P_Gain"]) == (servo.drive_mode, servo.p_gain)
        assert servo.goal_current in (None, state["Goal_Current"])


def test_a_position_commanded_is_the_position_read(lab: Lab) -> None:
    lab.arms.set_up()
    lab.follower.torque_on()
    target = (lab.rig.start + 0.1 * (lab.rig.upper - lab.rig.lower)).astype(np.float32)
    assert move_slowly({lab.follower: target}, CLOCK, seconds=0.2, speed=FAST)
    assert np.abs(qpos(lab.follower) - target).max() < 5e-3
    state = lab.follower_bus.do("state")
    for servo in lab.follower.servos:
        if servo.shadow_of is not None:
            assert state[servo.id]["Present_Position"] == state[servo.shadow_of]["Present_Position"]


def test_leader_to_follower_is_the_identity(lab: Lab) -> None:
    """The same pose, in one convention, though the grippers' ticks differ."""
    lab.arms.set_up()
    pose = (lab.rig.lower + 0.6 * (lab.rig.upper - lab.rig.lower)).astype(np.float32)
    lab.place(lab.leader, pose)
    lab.follower.torque_on()
    move_slowly({lab.follower: qpos(lab.leader)}, CLOCK, seconds=0.2, speed=FAST)
    assert np.abs(qpos(lab.follower) - pose).max() < 5e-3


def test_torque_comes_on_without_a_jump_even_a_turn_away(aloha: Lab) -> None:
    aloha.arms.set_up()
    pose = aloha.rig.start + np.float32(0.2)
    aloha.place(aloha.follower, pose)
    for bus in (aloha.follower_bus, aloha.leader_bus):
        bus.do("power_cycle", ids=[6, 9], turns=1)
    aloha.arms.set_up()
    aloha.follower.torque_on()
    assert np.abs(qpos(aloha.follower) - pose).max() < 5e-3
    aloha.follower.command(qpos(aloha.follower))
    assert move_slowly({aloha.follower: pose}, CLOCK, seconds=0.1, speed=FAST)
    assert np.abs(qpos(aloha.follower) - pose).max() < 5e-3


def test_no_torque_comes_on_where_a_joint_would_snap_to_what_its_servo_reaches(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.leader_bus.do("place", ticks={"7": 3447 + 300})
    stands = r"leader_left: wrist_angle stands at tick 3747, outside ticks 910 to 3447, what servo 7 \(wrist_angle\)"
    for stiffen in (aloha.leader.torque_on, lambda: aloha.arms.go_to_start(CLOCK)):
        with pytest.raises(Fault, match=stands):
            stiffen()
    for bus in aloha.buses.values():
        assert not any(servo["Torque_Enable"] for servo in bus.do("state").values())
    aloha.leader_bus.do("place", ticks={"7": 3447 + 100})  # as it lies at its stop
    aloha.leader.torque_on()


def test_velocity_and_effort_have_the_sign_of_the_motion(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    for direction in (1, -1) * 5:  # a stalled machine may miss a motion: there are more
        aloha.follower.command(np.full(7, 0.4 + 0.3 * direction, np.float32))
        seen = [state for state in (aloha.follower.read() for _ in range(200)) if state is not None]
        moving = [s for s in seen[20:] if abs(s.qvel[0]) > 0.5 and abs(s.qpos[0] - 0.4) < 0.2]
        assert all((direction * s.qvel[:6] > 0).all() and (direction * s.effort[:6] > 0).all() for s in moving)
        if moving and direction == -1:
            return
    pytest.fail("no motion was seen")


def test_a_closed_gripper_neither_overloads_nor_exceeds_its_current(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    closed, object_ = 1643, 2400
    aloha.follower_bus.do("place", ticks={"9": 2800})
    aloha.follower_bus.do("block", ids=[9], lower=object_, upper=4000)
    goal = qpos(aloha.follower)
    goal[-1] = 0.0
    aloha.follower.command(goal)
    time.sleep(0.5)
    state = aloha.follower.read()
    assert state is not None
    assert state.qpos[-1] == pytest.approx((object_ - closed) / (3020 - closed), abs=0.02)
    assert -0.55 < state.effort[-1] < -0.5  # 200 x 2.69 mA
    assert aloha.follower_bus.do("state")[9]["Hardware_Error_Status"] == 0


def test_nothing_outside_the_servos_limits_is_ever_sent(lab: Lab) -> None:
    lab.arms.set_up()
    lab.follower.torque_on()
    lab.follower.command(np.full(len(lab.rig.joint_names), 9.0, np.float32))
    state = lab.follower_bus.do("state")
    for servo in lab.wiring.chain(lab.follower.name):
        assert servo.lower_ticks <= state[servo.id]["Goal_Position"] <= servo.upper_ticks
    with pytest.raises(Fault, match="only the safety gate"):
        lab.follower.command(np.full(len(lab.rig.joint_names), np.nan, np.float32))


def test_a_session_from_start_to_sleep(aloha: Lab) -> None:
    aloha.arms.set_up()
    assert aloha.arms.go_to_start(CLOCK, seconds=0.2)
    assert np.abs(qpos(aloha.follower) - aloha.rig.start).max() < 5e-3
    assert qpos(aloha.leader)[-1] == pytest.approx(1.0, abs=0.01)
    hand = iter([True, True, True])
    assert not aloha.arms.wait_for_hands(CLOCK, keep_on=lambda: next(hand, False))
    aloha.leader_bus.do("mute", ids=[3])
    with pytest.raises(Fault, match=r"leader_left: lost while its gripper was waited for: no answer from servo 3 "):
        aloha.arms.wait_for_hands(CLOCK)
    aloha.leader_bus.do("unmute")
    squeezed = qpos(aloha.leader)
    squeezed[-1] = 0.05
    aloha.place(aloha.leader, squeezed)
    assert aloha.arms.wait_for_hands(CLOCK)
    assert not any(servo["Torque_Enable"] for servo in aloha.leader_bus.do("state").values())
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())
    aloha.arms.go_to_sleep(CLOCK, seconds=0.2)
    assert np.abs(qpos(aloha.follower) - aloha.wiring.arms["follower_left"].sleep).max() < 5e-3
    assert not any(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_closing_the_ports_or_stopping_a_move_never_drops_an_arm(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    moves = iter([True] * 5)
    assert not move_slowly({aloha.follower: aloha.rig.start}, CLOCK, keep_on=lambda: next(moves, False))
    aloha.arms.close()
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_a_slow_move_is_no_faster_than_the_slowest_joint_of_the_rig(aloha: Lab) -> None:
    pair = aloha.rig.arms[0]
    slower = replace(
        pair, joints=tuple(replace(j, velocity=1.0 if j.name == "waist" else j.velocity) for j in pair.joints)
    )
    aloha.arms.close()
    with RigArms(replace(aloha.rig, arms=(slower,)), aloha.wiring, aloha.calibration, REPLY_S, FAST) as arms:
        arms.set_up()
        began_ns = CLOCK.now_ns()
        assert arms.go_to_start(CLOCK, seconds=0.2)
        way = np.abs(aloha.rig.start).max()  # from 0; an eased move is pi/2 times as fast in its middle
        assert CLOCK.now_ns() - began_ns > 0.95e9 * np.pi / 2 * way


def test_an_arm_that_is_held_back_is_noticed(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    aloha.follower_bus.do("block", ids=[4], lower=2000, upper=2100)
    with pytest.raises(Fault, match=r"elbow is \d\.\d\d rad behind a slow move"):
        move_slowly({aloha.follower: aloha.rig.start}, CLOCK, seconds=0.2, speed=FAST)
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_a_pair_whose_servos_fight_is_named_as_what_may_be_in_the_way(aloha: Lab) -> None:
    fighting = tuple(replace(s, drive_mode=1) if s.id == 3 else s for s in aloha.follower.servos)
    wiring = replace(aloha.wiring, chains=aloha.wiring.chains | {"vx300s": fighting})
    aloha.arms.close()
    with RigArms(aloha.rig, wiring, aloha.calibration, REPLY_S, FAST) as arms:
        arms.set_up()
        with pytest.raises(Fault, match=r"shoulder is .* servo 2 \(shoulder\), servo 3 \(shoulder\) fight each other"):
            arms.go_to_start(CLOCK, seconds=0.2)


def test_an_arm_that_lost_its_power_is_limp_not_in_the_way_of_anything(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    aloha.follower_bus.do("power_cycle", ids=[], turns=0)
    with pytest.raises(Fault, match=r"was its power cut\? No torque in servo 1 \(waist\), .*servo 9 \(gripper\); hold"):
        aloha.arms.go_to_sleep(CLOCK, seconds=0.2)


def test_a_servo_that_would_refuse_its_goal_current_is_told_before_anything_is_written(aloha: Lab) -> None:
    aloha.leader_bus.do("show", ids=[4], registers={"Current_Limit": 300})
    with pytest.raises(
        Fault, match=r"servo 4 \(elbow\): its Current_Limit is 300, below its goal_current 500; give it"
    ):
        aloha.arms.set_up()
    assert all(servo["eeprom_writes"] == 0 for servo in aloha.follower_bus.do("state").values())


def test_a_lost_arm_is_named_and_keeps_no_other_from_going_to_sleep(aloha: Lab) -> None:
    aloha.arms.set_up()
    for arm in aloha.arms.arms.values():
        arm.torque_on()
    os.kill(aloha.follower_bus.pid, signal.SIGKILL)
    with pytest.raises(Fault, match=r"^follower_left stays as it is, hold it: bus ") as raised:
        aloha.arms.go_to_sleep(CLOCK, seconds=0.2)
    assert "leader_left stays" not in str(raised.value)
    assert np.abs(qpos(aloha.leader) - aloha.wiring.arms["leader_left"].sleep).max() < 5e-3
    assert not any(servo["Torque_Enable"] for servo in aloha.leader_bus.do("state").values())


def test_an_arm_that_is_lost_on_the_way_to_sleep_does_not_stop_the_others(aloha: Lab) -> None:
    aloha.arms.set_up()
    goals = {arm: np.array(aloha.wiring.arms[arm.name].sleep, np.float32) for arm in aloha.arms.arms.values()}
    for arm in goals:
        arm.torque_on()
    clock = Watched({15: lambda: aloha.follower_bus.do("mute", ids=[3])})
    (fault,) = sleep_and_free(goals, clock, seconds=1.0, speed=FAST, lost_s=1.0)
    assert fault.arm is aloha.follower and "servo 3 (shoulder)" in str(fault)
    assert not any(servo["Torque_Enable"] for servo in aloha.leader_bus.do("state").values())
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_an_arm_that_is_silent_for_a_while_is_waited_for_on_its_way(aloha: Lab) -> None:
    """A busy machine loses answers; an arm that was given up would stay stiff instead of going to sleep."""
    aloha.arms.set_up()
    goals = {arm: np.array(aloha.wiring.arms[arm.name].sleep, np.float32) for arm in aloha.arms.arms.values()}
    for arm in goals:
        arm.torque_on()
    silent: list[dict[int, dict[str, int]]] = []

    def look() -> None:
        silent.append(aloha.leader_bus.do("state"))

    clock = Watched(
        {
            15: lambda: aloha.follower_bus.do("mute", ids=[3]),
            16: look,
            20: look,
            21: lambda: aloha.follower_bus.do("unmute"),
        }
    )
    assert sleep_and_free(goals, clock, seconds=1.0, speed=FAST, lost_s=60) == []
    early, late = ([servo["Goal_Position"] for servo in state.values()] for state in silent)
    assert early == late, "the other arm waits where it has come to"
    for bus in aloha.buses.values():
        assert not any(servo["Torque_Enable"] for servo in bus.do("state").values())


def test_eeprom_of_a_standing_arm_is_not_touched(aloha: Lab) -> None:
    """Writing it needs the torque off, which would drop the arm."""
    aloha.arms.set_up()
    aloha.follower.bus.write(1, table.VELOCITY_LIMIT, 100)
    aloha.follower.torque_on()
    with pytest.raises(Fault, match=r"servo 1 \(waist\): Velocity_Limit needs its torque off"):
        aloha.arms.set_up()
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_all_arms_are_inspected_before_one_is_written(aloha: Lab) -> None:
    aloha.leader_bus.do("mute", ids=[7])
    with pytest.raises(Fault, match=r"servo 7 \(wrist_angle\) does not answer"):
        aloha.arms.set_up()
    assert all(servo["eeprom_writes"] == 0 for servo in aloha.follower_bus.do("state").values())


def test_an_overloaded_gripper_is_restarted(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower_bus.do("fail", ids=[9], error=int(table.HardwareError.OVERLOAD))
    done = aloha.arms.set_up()
    assert any("servo 9 (gripper) restarted" in line for line in in_short(done))
    assert aloha.follower_bus.do("state")[9]["Goal_Current"] == 200


def test_the_wrong_servo_and_the_wrong_voltage(aloha: Lab) -> None:
    aloha.follower_bus.do("show", ids=[8], registers={"Present_Input_Voltage": 50})
    with pytest.raises(Fault, match=r"servo 8 \(wrist_rotate\): supply is 5\.0 V; a XM430-W350 needs 10\.\.14\.8 V"):
        aloha.arms.set_up()
    aloha.follower_bus.do("show", ids=[1], registers={"Model_Number": 1060})
    with pytest.raises(Fault, match=r"servo 1 \(waist\) is a XL430-W250, hardware\.yaml says XM540-W270"):
        aloha.arms.set_up()


def test_a_shadow_that_would_fight_is_refused(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower_bus.do("show", ids=[3], registers={"Present_Position": 2200})
    with pytest.raises(Fault, match=r"servos 2 and 3 of shoulder read \d+ ticks apart"):
        aloha.follower.torque_on()
    assert not any(servo["Torque_Enable"] for servo in aloha.follower_bus.do("state").values())


def test_the_loop_reads_commands_and_survives_a_lost_servo(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    aloha.arms.close()
    with RigArms(aloha.rig, aloha.wiring, aloha.calibration, reply_s=0.01) as arms:
        follower = arms.followers[0]
        follower.settle()
        loop = ArmLoop(follower, 100.0, CLOCK, follower.name)
        loop.start()
        state = loop.wait_newer(0, timeout_s=5)
        assert state is not None
        loop.command(state.qpos + np.float32(0.2) * ~follower.is_gripper)
        moved = [state]
        while abs(moved[-1].qpos[0] - state.qpos[0]) < 0.19:
            newer = loop.wait_newer(moved[-1].time_ns, timeout_s=5)
            assert newer is not None
            moved.append(newer)
        aloha.follower_bus.do("mute", ids=[5])
        with pytest.raises(Fault, match=r"no answer \d+ times in a row; it holds its last goal"):
            while True:
                loop.wait_newer(moved[-1].time_ns + 10**12, timeout_s=0.05)
        assert loop.health().consecutive_lost >= HOLD_AFTER
        assert "servo 5 (elbow)" in _after_stop(loop, follower)
        aloha.follower_bus.do("unmute")
        assert follower.read() is not None


def _after_stop(loop: ArmLoop, arm: DynamixelArm) -> str:
    loop.stop()
    return arm.missing()


def test_a_pulled_plug_is_a_fault_and_plugged_in_again_it_goes_on(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    loop = ArmLoop(aloha.follower, 100.0, CLOCK, "follower_left")
    loop.start()
    state = loop.wait_newer(0, timeout_s=5)
    assert state is not None
    aloha.follower_bus.do("unplug")
    with pytest.raises(Fault, match="lost"):
        while True:
            loop.wait_newer(2**62, timeout_s=0.05)
    loop.command(state.qpos + np.float32(0.1))  # a command from then must not be carried out now
    assert all(servo["Torque_Enable"] for servo in aloha.follower_bus.do("plug").values())
    while not loop.health().recovered:
        time.sleep(0.05)
    newer = loop.wait_newer(time.time_ns(), timeout_s=5)
    loop.stop()
    assert newer is not None and np.abs(newer.qpos - state.qpos).max() < 5e-3


def test_a_servo_in_error_is_a_fault_that_names_it(aloha: Lab) -> None:
    """Its joint is limp: control must not go on moving the others."""
    aloha.arms.set_up()
    aloha.follower.torque_on()
    loop = ArmLoop(aloha.follower, 100.0, CLOCK, "follower_left")
    loop.start()
    assert loop.wait_newer(0, timeout_s=5) is not None
    aloha.follower_bus.do("fail", ids=[4], error=int(table.HardwareError.OVERLOAD))
    with pytest.raises(Fault, match=r"arm follower_left: hardware error of servo 4 \(elbow\)"):
        while True:
            loop.wait_newer(2**62, timeout_s=0.05)
    loop.stop()
    state = aloha.follower_bus.do("state")
    assert [servo for servo in state if not state[servo]["Torque_Enable"]] == [4]


def test_a_follower_whose_power_was_cut_for_a_moment_is_a_fault(aloha: Lab) -> None:
    aloha.arms.set_up()
    for arm in aloha.arms.arms.values():
        arm.torque_on()
    follower = aloha.follower
    stood = qpos(follower)
    follower.command(stood)
    assert follower.complaint() is None
    aloha.follower_bus.do("power_cycle", ids=[], turns=0)
    follower.command(stood + np.array([0.5, 0, 0, 0, 0, 0, 0], np.float32))
    said = [follower.complaint() for _ in range(20) if follower.read() is not None]
    assert said[0] is None and said[-1] is not None
    assert "was its power cut? No torque in servo 1 (waist); hold the arm" in said[-1]
    follower.torque_on()  # a new start: no jump, and well again
    assert qpos(follower) == pytest.approx(stood, abs=0.01)
    follower.command(stood)
    assert [follower.complaint() for _ in range(20) if follower.read() is not None][-1] is None


def test_a_joint_that_is_only_held_back_has_its_torque(aloha: Lab) -> None:
    aloha.arms.set_up()
    aloha.follower.torque_on()
    here = aloha.follower.here()
    aloha.follower_bus.do("block", ids=[1], lower=2040, upper=2056)
    aloha.follower.command(here + np.array([0.5, 0, 0, 0, 0, 0, 0], np.float32))
    assert not any(aloha.follower.complaint() for _ in range(30) if aloha.follower.read() is not None)


def test_a_killed_driver_drops_no_arm(aloha: Lab) -> None:
    """The hardest way to end: no handler runs, the operating system closes the port."""
    aloha.arms.set_up()
    aloha.arms.close()
    port = aloha.wiring.arms["follower_left"].port
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, port], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert driver.stdout is not None and driver.stdout.readline() == "stiff\n"
    driver.kill()
    driver.wait()
    driver.stdout.close()
    state = aloha.follower_bus.do("state")
    assert all(servo["Torque_Enable"] for servo in state.values())
    assert all(abs(servo["Goal_Position"] - servo["Present_Position"]) < 5 for servo in state.values())


DRIVER = """
import sys, time
from hardware.bus import Bus
from hardware.arm import ArmState
from hardware.dynamixel_arm import DynamixelArm
from hardware.wiring import load_wiring
from calibration.rig_file import load_rig
rig = load_rig("aloha")
wiring, calibration = load_wiring(rig, "aloha")
joints = rig.arms[0].joint_names
scale = calibration.arm("follower_left").for_joints(joints, "follower_left")
arm = DynamixelArm("follower_left", Bus(sys.argv[1], reply_s=1.0), wiring.chain("follower_left"), scale, joints)
arm.torque_on()
print("stiff", flush=True)
while True:
    arm.command(arm.read().qpos)
"""


def test_a_limp_joint_stays_one_while_another_is_held_back(aloha: Lab) -> None:
    """It lies at its goal by chance, and the other has its torque: control must not go on with it."""
    aloha.arms.set_up()
    follower = aloha.follower
    follower.torque_on()
    stood = qpos(follower)
    follower.bus.write(1, table.TORQUE_ENABLE, 0)
    ticks = aloha.follower_bus.do("state")[8]["Present_Position"]
    aloha.follower_bus.do("block", ids=[8], lower=ticks - 5, upper=ticks + 5)
    for joint in (0, 5):
        goal = stood.copy()
        goal[joint] += 0.5
        follower.command(goal)
        said = [follower.complaint() for _ in range(12) if follower.read() is not None]
        assert said[-1] is not None and "No torque in servo 1 (waist);" in said[-1]
