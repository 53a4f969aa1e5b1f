"""Whole ticks, end to end without I/O: what goes to the followers, to the leaders and to the record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_robot.control.ensemble import ChunkExecution, Ensemble, OpenLoop
from il_robot.control.safety import SafetyGate
from il_robot.control.session import Inputs, Outcome, Session
from il_robot.control.takeover import State, Takeover
from il_robot.errors import Fault
from il_robot.rig import NS_PER_S, Rig
from il_robot.types import ActionChunk, Floats, Gate, Mode, Observation

PERIOD = 20_000_000
BEGIN = 1_700_000_000_000_000_000
K = 10
HELD = Gate.NOT_FINITE | Gate.STALE | Gate.FAULT


class Bench:
    """A session with followers that do as told and leaders that mirror when told."""

    def __init__(self, rig: Rig, execution: ChunkExecution | None) -> None:
        self.rig = rig
        home_step = rig.velocity * np.float32(0.25 * PERIOD / NS_PER_S)
        takeover = Takeover(
            demonstrating=execution is None, home=rig.start, home_step=home_step, blend_ns=10 * PERIOD, align=0.3
        )
        self.session = Session(SafetyGate(rig), takeover, execution, policy_timeout_ns=5 * PERIOD)
        self.now_ns = BEGIN
        self.qpos = rig.start
        self.leader = rig.start
        self.engaged = False

    @property
    def state(self) -> State:
        return self.session.takeover.state

    def chunk(self, value: float, back: int = 0) -> ActionChunk:
        """A prediction from ``back`` ticks before the coming one: every joint at ``value``."""
        rows = np.full((K, len(self.rig.joints)), value, np.float32)
        return ActionChunk(rows, self.now_ns + PERIOD - back * PERIOD, PERIOD)

    def tick(self, *chunks: ActionChunk, **more: object) -> Outcome:
        self.now_ns += PERIOD
        observation = Observation(self.qpos, self.now_ns)
        inputs = Inputs(observation, (self.now_ns,) * 2, self.leader, self.now_ns, chunks, engaged=self.engaged, **more)  # type: ignore[arg-type]
        outcome = self.session.tick(self.now_ns, inputs)
        self.qpos = outcome.step.action
        if outcome.mirror is not None:
            self.leader = outcome.mirror
        return outcome


@pytest.fixture
def bench(rig: Rig) -> Bench:
    """The robot drives, at 0.1 everywhere."""
    bench = Bench(rig, Ensemble(len(rig.joints), K))
    bench.engaged = True
    for _ in range(40):
        bench.tick(bench.chunk(0.1))
    assert bench.state is State.ROBOT
    np.testing.assert_allclose(bench.qpos, 0.1, atol=1e-6)
    return bench


def test_the_step_tells_who_drove_what_was_asked_and_what_was_done(bench: Bench) -> None:
    step = bench.tick(*[bench.chunk(0.5)] * 100).step
    assert (step.mode, step.intervention, step.time_ns) == (Mode.ROBOT, 0, bench.now_ns)
    assert step.gate == Gate.VELOCITY
    np.testing.assert_allclose(step.action_asked[1:3], 0.5, atol=1e-6)  # 100 like chunks: no older one is left
    assert float(step.action[0]) == pytest.approx(0.1 + 0.02, abs=1e-6)  # waist: 1 rad/s
    assert step.observation.time_ns == bench.now_ns


def test_a_fault_holds_whatever_is_asked_and_afterwards_nothing_jumps(bench: Bench) -> None:
    before = bench.qpos
    for _ in range(20):
        outcome = bench.tick(bench.chunk(0.4), faults=("follower_left: silent",))
        assert outcome.step.gate & Gate.FAULT
        np.testing.assert_array_equal(outcome.step.action, before)
    first = bench.tick(bench.chunk(0.4))
    np.testing.assert_allclose(first.step.action, before, atol=1e-6)
    assert bench.state is State.RETURNING
    for _ in range(30):
        bench.tick(bench.chunk(0.4))
    assert bench.state is State.ROBOT
    np.testing.assert_allclose(bench.qpos, 0.4, atol=1e-6)


def test_a_silent_policy_holds_and_comes_back_with_a_blend(bench: Bench) -> None:
    said = [bench.tick().step for _ in range(8)]
    assert [bool(step.gate & Gate.STALE) for step in said[:6]] == [False] * 5 + [True], "timeout: five ticks"
    held = bench.qpos
    for _ in range(5):
        np.testing.assert_array_equal(bench.tick().step.action, held)
    back = bench.tick(bench.chunk(0.9))
    np.testing.assert_array_equal(back.step.action, held)
    assert back.step.mode is Mode.TRANSITION


def test_a_prediction_that_is_not_a_number_holds(bench: Bench) -> None:
    held = bench.qpos
    for _ in range(K):
        step = bench.tick(bench.chunk(np.nan)).step
        np.testing.assert_array_equal(step.action, held)
    assert bench.session.gate.counts[Gate.NOT_FINITE] > 0


def test_a_prediction_stamped_ahead_of_time_is_never_followed(rig: Rig) -> None:
    bench = Bench(rig, OpenLoop(2))
    bench.engaged = True
    bench.tick(bench.chunk(0.9, back=-10_000))
    for _ in range(40):
        bench.tick(bench.chunk(0.1))
    assert bench.state is State.ROBOT, "an open loop waits for the moment of the wrong prediction"
    np.testing.assert_allclose(bench.qpos, 0.1, atol=1e-6)
    for _ in range(6):
        gate = bench.tick().step.gate
    assert gate & Gate.STALE, "a silent policy is not noticed any more"


def test_the_human_drives_in_the_tick_of_the_press_and_the_leader_is_free(bench: Bench) -> None:
    outcome = bench.tick(bench.chunk(0.1), presses=1)
    assert outcome.mirror is None
    assert (outcome.step.mode, outcome.step.intervention) == (Mode.HUMAN, 1)
    np.testing.assert_allclose(outcome.step.action, 0.1, atol=1e-6)
    bench.leader = np.full(6, 0.3, np.float32)
    for _ in range(30):
        bench.tick(bench.chunk(0.9))
    np.testing.assert_allclose(bench.qpos, 0.3, atol=1e-6)


def test_a_leader_that_falls_silent_under_the_human_holds(bench: Bench) -> None:
    bench.tick(presses=1)
    held, inputs = bench.qpos, Inputs(Observation(bench.qpos, bench.now_ns), (0, 0), bench.leader + 0.2, bench.now_ns)
    for late in range(1, 20):
        step = bench.session.tick(bench.now_ns + late * PERIOD, replace(inputs, engaged=True)).step
        if late > 5:
            assert step.gate & Gate.STALE
            np.testing.assert_array_equal(step.action, held)
        held = step.action


def test_a_hold_under_the_human_ends_only_with_the_leader_at_its_follower(bench: Bench) -> None:
    bench.tick(bench.chunk(0.1), presses=1)
    assert bench.state is State.HUMAN
    assert_a_dropped_leader_is_not_followed(bench)


def test_a_hold_of_a_demonstration_ends_only_with_the_leader_at_its_follower(rig: Rig) -> None:
    bench = Bench(rig, None)
    bench.tick()
    assert_a_dropped_leader_is_not_followed(bench)


def assert_a_dropped_leader_is_not_followed(bench: Bench) -> None:
    held = bench.qpos
    bench.tick(faults=("pedal: silent",))
    bench.leader = held - np.array([0, 0.45, 0, 0, 0, 0], np.float32)
    for _ in range(20):
        outcome = bench.tick()
        np.testing.assert_array_equal(outcome.step.action, held)
        assert outcome.step.gate == Gate.FAULT and outcome.mirror is None
        (told,) = outcome.faults
    assert (
        told == f"leader and follower differ by 0.45 at {bench.rig.joint_names[1]} (allowed 0.3): move the leader there"
    )
    bench.leader = held - np.array([0, 0.25, 0, 0, 0, 0], np.float32)
    assert bench.tick().faults == ()
    for _ in range(20):
        outcome = bench.tick()
    np.testing.assert_allclose(outcome.step.action, bench.leader, atol=1e-6)


@pytest.mark.parametrize("back", [2, 5, 9])
def test_predictions_from_before_the_hand_back_are_never_followed(bench: Bench, back: int) -> None:
    bench.tick(presses=1)
    for _ in range(12):
        bench.tick(bench.chunk(0.9))
    bench.tick(bench.chunk(0.9, back=1), presses=1)
    held = bench.qpos
    pressed_ns = bench.now_ns
    for tick in range(8):
        old = bench.chunk(0.9, back=back + tick)
        assert old.start_ns < pressed_ns
        outcome = bench.tick(old)
        np.testing.assert_array_equal(outcome.step.action, held)
        assert outcome.step.mode is Mode.TRANSITION
    for _ in range(15):
        bench.tick(bench.chunk(0.2))
    assert bench.state is State.ROBOT
    np.testing.assert_allclose(bench.session.execution.at(bench.now_ns), 0.2, atol=1e-6)  # type: ignore[union-attr]


def test_presses_in_one_tick_cancel_and_still_forget_the_chunks(bench: Bench) -> None:
    outcome = bench.tick(presses=2)
    assert bench.state is State.RETURNING
    np.testing.assert_array_equal(outcome.step.action_asked, outcome.step.action)


def test_without_a_policy_the_leader_is_copied_and_never_mirrors(rig: Rig) -> None:
    bench = Bench(rig, None)
    bench.leader = rig.start + np.float32(0.2)
    outcomes = [bench.tick(bench.chunk(0.9), presses=1) for _ in range(40)]
    assert all(outcome.mirror is None and outcome.step.mode is Mode.DEMONSTRATION for outcome in outcomes)
    np.testing.assert_allclose(bench.qpos, np.minimum(bench.leader, rig.upper), atol=1e-6)


def test_a_follower_that_reports_nonsense_at_the_start_is_a_fault(rig: Rig) -> None:
    bench = Bench(rig, None)
    bench.qpos = np.full(6, np.nan, np.float32)
    with pytest.raises(Fault, match="not a number"):
        bench.tick()


one_tick = st.fixed_dictionaries(
    {
        "chunk": st.sampled_from([None, None, 0.1, 0.9, -3.0, float("nan"), float("inf")]),
        "back": st.integers(0, 30),
        "presses": st.sampled_from([0, 0, 0, 0, 0, 1, 2]),
        "engaged": st.sampled_from([True, True, True, True, False]),
        "fault": st.sampled_from([False, False, False, False, True]),
        "hand": st.floats(-3, 3, width=32),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(one_tick, min_size=1, max_size=60), st.booleans())
def test_random_sessions_stay_smooth_inside_and_hold_on_faults(
    rig: Rig, ticks: list[dict[str, float]], ensembles: bool
) -> None:
    bench = Bench(rig, Ensemble(6, K) if ensembles else OpenLoop(3))
    furthest = rig.velocity.astype(np.float64) * PERIOD / NS_PER_S
    for now in ticks:
        before: Floats = bench.session.gate.last.copy() if bench.session.gate.started else bench.qpos
        bench.engaged = bool(now["engaged"])
        if bench.session.takeover.human_drives:
            bench.leader = np.full(6, now["hand"], np.float32)
        chunks = [] if now["chunk"] is None else [bench.chunk(now["chunk"], back=int(now["back"]))]
        faults = ("lost",) if now["fault"] else ()
        outcome = bench.tick(*chunks, presses=int(now["presses"]), faults=faults)
        step = outcome.step
        assert np.isfinite(step.action).all()
        assert (rig.lower <= step.action).all() and (step.action <= rig.upper).all()
        assert (np.abs(step.action.astype(np.float64) - before) <= furthest + 1e-6).all()
        assert bool(step.gate & Gate.FAULT) == bool(outcome.faults)
        assert outcome.faults == faults or (not faults and "move the leader there" in outcome.faults[0])
        if step.gate & HELD:
            np.testing.assert_array_equal(step.action, before)
        assert (outcome.mirror is None) == (bench.state is State.HUMAN)
        assert (step.mode is Mode.HUMAN) == (bench.state is State.HUMAN)
        assert not (step.mode is Mode.ROBOT and step.intervention)


@pytest.mark.parametrize("predicting", [True, False])
def test_a_leader_let_go_of_far_from_its_follower_comes_to_it_slowly(bench: Bench, predicting: bool) -> None:
    """There may still be a hand on it."""
    bench.tick(bench.chunk(0.1), presses=1)
    assert bench.state is State.HUMAN
    bench.leader = bench.leader + np.float32(0.25)
    away = bench.leader
    outcome = bench.tick(bench.chunk(0.1), presses=1)
    assert outcome.mirror is not None
    slow = bench.session.takeover.home_step
    followed = outcome.step.action
    np.testing.assert_allclose(outcome.mirror, away, atol=1e-5)
    for _ in range(60):
        before = bench.leader
        outcome = bench.tick(*([bench.chunk(0.1)] if predicting else []))
        assert outcome.mirror is not None
        moved = np.abs((outcome.mirror - before) - (outcome.step.action - followed))
        followed = outcome.step.action
        assert (moved <= slow + 1e-5).all()
    np.testing.assert_allclose(bench.leader, bench.qpos, atol=1e-5)


@pytest.mark.parametrize("back_s", [0.1, 3600])
def test_a_clock_set_back_keeps_no_policy_waiting_and_hides_no_silent_one(rig: Rig, back_s: float) -> None:
    bench = Bench(rig, Ensemble(len(rig.joints), K))
    bench.engaged = True
    for _ in range(30):
        bench.tick(bench.chunk(0.2))
    assert bench.state is State.ROBOT
    bench.now_ns -= round(back_s * NS_PER_S)
    before = bench.qpos
    went = [bench.tick(bench.chunk(0.1)).step.action for _ in range(20)]
    assert bench.state is State.ROBOT
    assert went[-1] == pytest.approx(0.1, abs=1e-6)
    assert np.abs(np.diff([before, *went], axis=0)).max() < 0.02, "blended"
    silent = [bench.tick().step.gate for _ in range(10)]
    assert any(gate & Gate.STALE for gate in silent[: K // 2 + 1])
