"""The hand-over as a state machine: random presses, episodes, leaders and policies, through the real gate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from il_robot.control.safety import SafetyGate
from il_robot.control.takeover import Drive, State, Takeover
from il_robot.rig import Arm, Joint, Rig
from il_robot.types import Floats, Mode

MS = 1_000_000
PERIOD = 20 * MS
BLEND = 200 * MS
HOME_STEP = 0.01
ALIGN = 0.3


def takeover_of(rig: Rig, demonstrating: bool = False) -> Takeover:
    home_step = np.full(len(rig.joints), HOME_STEP, np.float32)
    return Takeover(demonstrating=demonstrating, home=rig.start, home_step=home_step, blend_ns=BLEND, align=ALIGN)


def driving(rig: Rig, policy: Floats) -> tuple[Takeover, int]:
    """A takeover in state ROBOT that has just followed ``policy``, and the time."""
    takeover = takeover_of(rig)
    takeover.engage(True)
    for tick in range(BLEND // PERIOD + 1):
        takeover.step(tick * PERIOD, None, policy, policy)
    assert takeover.state is State.ROBOT
    return takeover, BLEND + PERIOD


def test_idle_goes_home_slowly_and_stays(rig: Rig) -> None:
    takeover, last = takeover_of(rig), rig.start + np.float32(0.055)
    for tick in range(10):
        before = last
        drive = takeover.step(tick * PERIOD, None, np.ones(6, np.float32), last)
        assert drive.asked is not None and drive.mode is Mode.TRANSITION and drive.intervention == 0
        last = drive.asked
        assert np.abs(last - before).max() <= HOME_STEP + 1e-6
    np.testing.assert_allclose(last, rig.start, atol=1e-6)
    assert takeover.state is State.IDLE and not takeover.human_drives


def test_an_episode_waits_for_the_policy_then_blends_to_it(rig: Rig) -> None:
    takeover, start, policy = takeover_of(rig), rig.start, rig.start + np.float32(0.4)
    assert takeover.engage(True)
    assert not takeover.engage(True), "the second time nothing changes"
    for tick in range(5):
        held = takeover.step(tick * PERIOD, None, None, start)
        assert held.asked is start and held.mode is Mode.TRANSITION
    asked = [takeover.step((5 + tick) * PERIOD, None, policy, rig.start) for tick in range(12)]
    moved = [float((drive.asked - rig.start)[0]) for drive in asked if drive.asked is not None]
    np.testing.assert_allclose(moved, np.minimum(np.arange(12) / 10, 1) * 0.4, atol=1e-6)
    assert [drive.mode for drive in asked] == [Mode.TRANSITION] * 10 + [Mode.ROBOT] * 2
    assert takeover.engage(False)
    assert takeover.state is State.IDLE


def test_a_policy_that_falls_silent_while_blending_starts_the_blend_anew(rig: Rig) -> None:
    takeover, policy = takeover_of(rig), rig.start + np.float32(0.4)
    takeover.engage(True)
    takeover.step(0, None, policy, rig.start)
    takeover.step(1 * PERIOD, None, None, rig.start)
    late = takeover.step(8 * PERIOD, None, policy, rig.start)
    np.testing.assert_array_equal(late.asked, rig.start)


@pytest.mark.parametrize("off", [0.0, 0.29, -0.2])
def test_a_mirrored_leader_drives_in_the_tick_of_the_press_without_a_jump(rig: Rig, off: float) -> None:
    last = rig.start
    takeover, now_ns = driving(rig, last)
    leader = last + np.float32(off)
    assert takeover.press()
    asked = [takeover.step(now_ns + tick * PERIOD, leader, last, last) for tick in range(12)]
    assert all(drive.mode is Mode.HUMAN and drive.intervention == 1 for drive in asked)
    moved = [float((drive.asked - last)[0]) for drive in asked if drive.asked is not None]
    np.testing.assert_allclose(moved, np.minimum(np.arange(12) / 10, 1) * off, atol=1e-6)
    assert takeover.human_drives


def test_a_leader_far_away_is_waited_for_while_the_followers_hold(rig: Rig) -> None:
    takeover, now_ns = driving(rig, rig.start)
    takeover.press()
    far, near = rig.start + np.float32(0.31), rig.start + np.float32(0.1)
    nan = np.full(6, np.nan, np.float32)
    for leader in (far, None, nan, far):
        drive = takeover.step(now_ns, leader, rig.start, rig.start)
        np.testing.assert_array_equal(drive.asked, rig.start)
        assert (drive.mode, drive.intervention) == (Mode.TRANSITION, 1)
        assert not takeover.human_drives, "the leader must go on mirroring"
    assert takeover.step(now_ns, near, None, rig.start).mode is Mode.HUMAN


def test_hand_back_holds_for_a_prediction_and_blends_from_where_the_human_left(rig: Rig) -> None:
    takeover, now_ns = driving(rig, rig.start)
    takeover.press()
    takeover.step(now_ns, rig.start, None, rig.start)
    left_at = rig.start + np.float32(0.2)
    assert takeover.press()
    held = takeover.step(now_ns, left_at, None, left_at)
    assert held.asked is left_at and held.mode is Mode.TRANSITION
    first = takeover.step(now_ns + 1 * PERIOD, left_at, rig.start, left_at)
    np.testing.assert_array_equal(first.asked, left_at)
    policy = rig.start
    last = takeover.step(now_ns + PERIOD + BLEND, left_at, policy, left_at)
    assert last.mode is Mode.ROBOT and last.asked is policy and last.intervention == 0


def test_interventions_are_counted_per_episode_and_one_in_progress_is_the_first(rig: Rig) -> None:
    takeover, _ = driving(rig, rig.start)
    for number in (1, 2, 3):
        takeover.press()
        assert takeover.step(0, rig.start, None, rig.start).intervention == number
        takeover.press()
    takeover.engage(False)
    takeover.press()
    takeover.step(0, rig.start, None, rig.start)
    takeover.engage(True)
    assert takeover.step(0, rig.start, None, rig.start) == Drive(pytest.approx(rig.start), Mode.HUMAN, 1)


def test_a_human_who_drives_when_the_episode_ends_goes_on_until_the_press(rig: Rig) -> None:
    takeover, _ = driving(rig, rig.start)
    takeover.press()
    takeover.step(0, rig.start, None, rig.start)
    assert not takeover.engage(False)
    assert takeover.state is State.HUMAN
    takeover.press()
    assert takeover.state is State.IDLE


def test_without_a_policy_the_human_drives_from_start_to_end(rig: Rig) -> None:
    takeover = takeover_of(rig, demonstrating=True)
    assert not takeover.engage(True) and not takeover.press() and takeover.human_drives
    leader = rig.start + np.float32(0.1)
    takeover.step(0, leader, None, rig.start)
    assert takeover.step(BLEND, leader, None, rig.start) == Drive(pytest.approx(leader), Mode.DEMONSTRATION, 0)
    assert takeover.step(BLEND, None, None, rig.start).asked is None


@given(st.sampled_from([State.HUMAN, State.ROBOT, State.RETURNING, State.IDLE]), st.floats(-1, 1, width=32))
@settings(deadline=None)
def test_after_a_hold_the_first_thing_asked_is_where_the_followers_are(rig: Rig, state: State, off: float) -> None:
    takeover, now_ns = driving(rig, rig.start)
    if state is State.HUMAN:
        takeover.press()
        takeover.step(now_ns, rig.start, None, rig.start)
    elif state is State.RETURNING:
        takeover.press()
        takeover.press()
    elif state is State.IDLE:
        takeover.engage(False)
    assert takeover.state is state
    takeover.resume()
    wish = rig.start + np.float32(off)
    drive = takeover.step(now_ns + 10 * BLEND, wish, wish, rig.start)
    np.testing.assert_allclose(drive.asked, rig.start, atol=1e-6)


SMALL = Rig(
    "small",
    50.0,
    (Arm("left", (Joint("waist", -1.0, 2.0, velocity=1.0, start=0.25), Joint("gripper", 0.0, 1.0, velocity=5.0))),),
)
anywhere = st.tuples(st.floats(-2, 3, width=32), st.floats(-0.5, 1.5, width=32)).map(
    lambda pair: np.array(pair, np.float32)
)
inside = st.tuples(st.floats(-1, 2, width=32), st.floats(0, 1, width=32)).map(lambda pair: np.array(pair, np.float32))


class HandOver(RuleBasedStateMachine):
    """Anybody presses anything at any time; the leader mirrors when it is told to."""

    @initialize(home=inside)
    def begin(self, home: Floats) -> None:
        self.takeover = takeover_of(SMALL)
        self.gate = SafetyGate(SMALL)
        self.gate.start(home)
        self.now_ns = 10**12
        self.leader = self.gate.last.copy()
        self.policy: Floats | None = None
        self.engaged = False
        self.taken = 0
        self.furthest = 0.0
        self.drive: Drive | None = None
        self.since_press = 0
        self.pressed_by_robot = False

    @rule(policy=st.one_of(st.none(), anywhere))
    def the_policy_says(self, policy: Floats | None) -> None:
        self.policy = policy

    @precondition(lambda self: self.takeover.human_drives)
    @rule(target_=anywhere)
    def the_hand_moves(self, target_: Floats) -> None:
        self.leader = target_

    @rule()
    def press(self) -> None:
        robot = self.takeover.state in (State.ROBOT, State.RETURNING, State.IDLE)
        self.taken += robot
        self.pressed_by_robot, self.since_press = robot, 0
        assert self.takeover.press()
        assert (self.takeover.state is State.ALIGNING) == robot
        if not robot:
            assert self.takeover.state is (State.RETURNING if self.engaged else State.IDLE)

    @rule(engaged=st.booleans())
    def engage(self, engaged: bool) -> None:
        if engaged and not self.engaged:
            self.taken = int(self.takeover.state in (State.HUMAN, State.ALIGNING))
        self.engaged = engaged
        self.takeover.engage(engaged)

    @rule(present=st.booleans(), ticks=st.integers(1, 15))
    def ticks_pass(self, present: bool, ticks: int) -> None:
        for _ in range(ticks):
            self._tick(self.leader if present else None)

    def _tick(self, leader: Floats | None) -> None:
        self.now_ns += PERIOD
        self.since_press += 1
        before = self.gate.last.copy()
        self.drive = self.takeover.step(self.now_ns, leader, self.policy, before)
        output, _ = self.gate.filter(self.drive.asked, self.now_ns, self.now_ns)
        step = SMALL.velocity.astype(np.float64) * PERIOD / 1e9
        self.furthest = float((np.abs(output.astype(np.float64) - before) / step).max())
        assert self.furthest <= 1 + 1e-5
        if not self.takeover.human_drives:
            self.leader = output.copy()  # it mirrors
        if self.pressed_by_robot and self.since_press == 2 and leader is not None:
            assert self.takeover.state is State.HUMAN, "the human drives within two ticks of the press"
        self._check_drive(before)

    def _check_drive(self, before: Floats) -> None:
        assert self.drive is not None
        match self.takeover.state:
            case State.HUMAN:
                assert self.drive.mode is Mode.HUMAN and self.drive.intervention == self.taken
            case State.ALIGNING:
                assert self.drive.asked is before and self.drive.intervention == self.taken
            case State.ROBOT:
                assert self.drive.asked is self.policy and self.engaged
            case State.RETURNING:
                assert self.engaged and (self.policy is not None or self.drive.asked is before)
            case State.IDLE:
                assert not self.engaged and self.drive.asked is not None
                assert np.abs(self.drive.asked - SMALL.start).max() <= np.abs(before - SMALL.start).max() + 1e-6

    @invariant()
    def an_idle_arm_is_never_in_an_episode(self) -> None:
        if hasattr(self, "takeover") and self.takeover.state in (State.ROBOT, State.RETURNING):
            assert self.engaged


TestHandOver = HandOver.TestCase
TestHandOver.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
