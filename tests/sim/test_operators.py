"""The scripted operators in a small loop of the simulated rig, the control session and the leaders, without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from il_robot.control.ensemble import OpenLoop
from il_robot.control.safety import SafetyGate
from il_robot.control.session import Inputs, Session
from il_robot.control.takeover import Takeover
from il_robot.rig import NS_PER_S, Rig
from il_robot.sim.demonstrator import Demonstrator
from il_robot.sim.expert import Expert
from il_robot.sim.leader import Leader
from il_robot.sim.operator import Operator, Seen
from il_robot.sim.supervisor import Gate, Supervisor
from il_robot.sim.task import TransferCube
from il_robot.sim.world import World, drawn_cube
from il_robot.types import ActionChunk, Floats, Mode, Observation, Step

BEGIN = 10**12


class Workplace:
    """The rig's period once around: physics, operator, leaders, control; a recorder that only has lights."""

    def __init__(self, world: World, operator: Operator, policy: Expert | None, autonomous: bool) -> None:
        self.world, self.operator, self.policy, self.autonomous = world, operator, policy, autonomous
        rig = self.rig = world.rig
        world.reset(seed=0)
        self.task = TransferCube(world)
        self.leaders = [Leader(arm, rig.period_ns) for arm in rig.arms]
        home_step = rig.velocity * np.float32(0.25 * rig.period_ns / NS_PER_S)
        takeover = Takeover(demonstrating=not autonomous, home=rig.start, home_step=home_step)
        self.session = Session(SafetyGate(rig), takeover, OpenLoop(1) if autonomous else None)
        self.recorder = "ready"
        self.driver = "idle" if autonomous else "demonstrating"
        self.command, self.presses = rig.start, 0
        self.seeds = 0
        self.steps: list[Step] = []
        self.outcomes: list[str] = []
        self.drivers: list[str] = []

    def run(self, limit: int) -> None:
        """Until the operator is done; fails when that takes more periods than ``limit``."""
        for period in range(limit):
            self._period(BEGIN + period * self.rig.period_ns)
            if self.operator.finished and self.recorder == "ready":
                return
        pytest.fail(f"not done after {limit} periods: {self.operator.report}, {self.drivers}, {self.recorder}")

    def _period(self, now_ns: int) -> None:
        self.world.step(self.command)
        milestone = self.task.update().name.lower()
        seen = self.world.observe()
        observation = Observation(seen.qpos, now_ns, seen.qvel, seen.effort, objects=seen.objects)
        if self.recorder == "saving":
            self.recorder = "ready"
        self._operate(observation, milestone)
        leader = self._move_leaders()
        self._control(now_ns, observation, leader)

    def _operate(self, observation: Observation, milestone: str) -> None:
        doing = self.operator.act(Seen(observation, self.recorder, self.driver, milestone))
        if doing.hand is not None:
            for arm, leader in zip(self.rig.arms, self.leaders, strict=True):
                leader.hand = doing.hand[self.rig.arm_slice(arm.name)]
        if doing.request == "reset":
            self.world.place_cube(drawn_cube(self.seeds))
            self.task.restart()
            self.seeds += 1
        elif doing.request == "knock":
            self.world.disturb("move_cube", np.random.default_rng(0))
        self._tap(doing.tap)

    def _tap(self, tap: str | None) -> None:
        if tap == "takeover":
            self.presses = 1
        elif tap == "record" and self.recorder == "ready":
            self.recorder = "recording"
        elif tap in ("record", "success", "discard"):
            assert self.recorder == "recording", f"{tap} while {self.recorder}"
            self.recorder = "saving"
            self.outcomes.append(tap)

    def _move_leaders(self) -> Floats:
        for leader in self.leaders:
            leader.step()
        return np.concatenate([leader.qpos for leader in self.leaders])

    def _control(self, now_ns: int, observation: Observation, leader: Floats) -> None:
        presses, self.presses = self.presses, 0
        inputs = Inputs(
            observation,
            (now_ns,) * len(self.rig.arms),
            leader,
            now_ns,
            self._chunks(now_ns, observation),
            presses,
            engaged=self.recorder == "recording",
        )
        outcome = self.session.tick(now_ns, inputs)
        self.command = outcome.step.action
        for arm, motor in zip(self.rig.arms, self.leaders, strict=True):
            motor.torque = outcome.mirror is not None
            if outcome.mirror is not None:
                motor.command, motor.hand = outcome.mirror[self.rig.arm_slice(arm.name)], None
        self.driver = self.session.takeover.state.name.lower()
        if self.drivers[-1:] != [self.driver]:
            self.drivers.append(self.driver)
        if self.recorder == "recording":
            self.steps.append(outcome.step)

    def _chunks(self, now_ns: int, observation: Observation) -> list[ActionChunk]:
        """What the policy predicts: the expert's next action, or to stay where the arms are told to be."""
        if not self.autonomous:
            return []
        target = self.command if self.policy is None else self.policy.act(observation)
        return [ActionChunk(target[None].repeat(5, axis=0), now_ns, self.rig.period_ns)]


def test_a_demonstrator_gets_every_episode_held(rig: Rig, world: World) -> None:
    operator = Demonstrator(rig, Expert(rig), episodes=2, limit_steps=600)
    place = Workplace(world, operator, None, autonomous=False)
    place.run(2500)
    assert place.outcomes == ["success", "success"]
    assert all(": held after" in line for line in operator.report)
    assert all(step.mode is Mode.DEMONSTRATION for step in place.steps)


def test_a_demonstrator_throws_away_what_takes_too_long(rig: Rig, world: World) -> None:
    operator = Demonstrator(rig, Expert(rig), episodes=1, limit_steps=50)
    place = Workplace(world, operator, None, autonomous=False)
    place.run(500)
    assert place.outcomes == ["discard"]
    assert operator.report == ["episode 1: failed, discarded after 50 steps"]


def test_a_demonstrator_without_the_pedal_only_moves_while_recording(rig: Rig, world: World) -> None:
    operator = Demonstrator(rig, Expert(rig), episodes=1, limit_steps=50, taps=False)
    place = Workplace(world, operator, None, autonomous=False)
    for period in range(200):
        place._period(BEGIN + period * rig.period_ns)
    assert not place.steps and not place.outcomes
    np.testing.assert_allclose(place.command, rig.start, atol=1e-3)


def interventions(steps: list[Step]) -> set[int]:
    return {step.intervention for step in steps if step.mode is Mode.HUMAN}


def test_a_supervisor_corrects_a_knock_and_hands_back(rig: Rig, world: World) -> None:
    policy = Expert(rig)
    operator = Supervisor(rig, Expert(rig), 1, Gate(knock_at=60))
    place = Workplace(world, operator, policy, autonomous=True)
    place.run(3000)
    assert place.outcomes == ["success"], operator.report
    assert place.drivers.count("human") >= 1
    assert place.drivers[place.drivers.index("human") + 1 : place.drivers.index("human") + 3] == ["returning", "robot"]
    assert interventions(place.steps) == set(range(1, place.drivers.count("human") + 1))


def test_a_supervisor_takes_over_from_a_policy_that_holds_still(rig: Rig, world: World) -> None:
    operator = Supervisor(rig, Expert(rig), 1, Gate(stall=60, limit=900))
    place = Workplace(world, operator, None, autonomous=True)
    place.run(2500)
    assert "human" in place.drivers and "returning" in place.drivers[2:]
    assert interventions(place.steps) >= {1}
    step = rig.velocity * rig.period_ns / NS_PER_S
    for before, after in zip(place.steps, place.steps[1:], strict=False):
        assert (np.abs(after.action - before.action) <= step + 1e-5).all()


def test_a_supervisor_who_only_watches_gives_up_at_the_limit(rig: Rig, world: World) -> None:
    operator = Supervisor(rig, Expert(rig), 1, Gate(stall=20, limit=100, corrects=False))
    place = Workplace(world, operator, None, autonomous=True)
    place.run(600)
    assert place.outcomes == ["record"] and "human" not in place.drivers
    assert operator.report == ["episode 1: failed after 100 steps, 0 interventions"]


@pytest.mark.parametrize("autonomous", [False, True])
@pytest.mark.parametrize("taps", [True, False])
def test_an_episode_that_somebody_else_ended(rig: Rig, world: World, autonomous: bool, taps: bool) -> None:
    """With the pedal under the own foot it does not count and another is begun; under a human's it is done."""
    operator: Operator
    if autonomous:
        operator = Supervisor(rig, Expert(rig), 1, Gate(limit=60, corrects=False), taps)
    else:
        operator = Demonstrator(rig, Expert(rig), episodes=1, limit_steps=60, taps=taps)
    place = Workplace(world, operator, Expert(rig) if autonomous else None, autonomous)
    for period in range(60):
        place._period(BEGIN + period * rig.period_ns)
        if period == 40 and not taps:
            place.recorder = "recording"
    assert place.recorder == "recording"
    place.recorder = "saving"
    place._period(BEGIN + 60 * rig.period_ns)
    assert len(operator.report) == (0 if taps else 1)
    if taps:
        place.run(1500)
        assert place.outcomes == ["record" if autonomous else "discard"]
    assert len(operator.report) == 1 and ("stopped by hand" in operator.report[0]) == (not taps)
