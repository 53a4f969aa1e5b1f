"""The control node: 50 times a second it reads the newest state of everything, decides and commands.

The only writer to the followers. The loop runs in its own thread on absolute deadlines; what it hears lies in the
inbox (control_inbox.py).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.control.execution import Execution
from il_robot.control.latency import Latencies
from il_robot.control.precedence import has_precedence, take_precedence
from il_robot.control.rate import DeadlineLoop
from il_robot.control.safety import SafetyGate
from il_robot.control.session import Session
from il_robot.control.takeover import State, Takeover, apart
from il_robot.errors import Fault
from il_robot.rig import NS_PER_S
from il_robot.types import Floats, Gate, Step
from il_robot_ros import messages, process, topics
from il_robot_ros.clock import clock_of
from il_robot_ros.control_inbox import Inbox
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter
from il_robot_ros.sole_sources import SoleSources

HOME_SPEED = 0.25
"""Share of the velocity limit at which followers go to their start pose between episodes."""


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    recorded: bool = parameter("true: without a recorder that is alive the followers hold", True)
    autonomous: bool = parameter("true: a policy drives and the pedal takes over; false: the leaders drive", False)
    execution: str = parameter("how chunks become actions: ensemble, chunk or receding", "ensemble")
    m: float = parameter("ensemble: weights exp(-m i), i = 0 the preferred prediction", 0.01)
    prefer: str = parameter("ensemble: which prediction weighs most, oldest or newest", "oldest")
    execute: int = parameter("receding: steps that are followed of each chunk", 10)
    chunk_size: int = parameter("ensemble: how many chunks are kept", 100)
    stale_s: float = parameter("a joint state older than this makes the followers hold [s]", 0.2)
    policy_timeout_s: float = parameter("a policy silent for longer makes the followers hold [s]", 0.4)
    recorder_timeout_s: float = parameter("a recorder silent for longer makes the followers hold [s]", 1.0)
    pedal_timeout_s: float = parameter("a pedal silent for longer makes the followers hold [s]", 1.5)
    blend_s: float = parameter("how long a difference at takeover or hand back takes to decay [s]", 0.5)
    align_rad: float = parameter("largest leader-follower difference at which driving may begin [rad]", 0.3)


class ControlNode:
    """Everything of the control process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        self._parameters = declare(node, Parameters)
        self._rig = load_rig(self._parameters.rig)
        self._clock = clock_of(node)
        self._loop = DeadlineLoop(self._clock, self._rig.period_ns, phase_ns=self._rig.period_ns // 2)
        self._session = self._make_session()
        self._sources = SoleSources(node)
        self._inbox = self._make_inbox()
        self._faults: tuple[str, ...] = ("starting",)
        self._refused = False
        self._not_finite = False
        self._away = False
        """The hold goes on only because a leader was moved away meanwhile."""
        self._leader_to_command = Latencies()
        self._torque: bool | None = None
        self._driver = ""
        self._connect()
        Diagnostics(node, self._health)
        life.thread("control", self._run)

    def _make_session(self) -> Session:
        given, rig = self._parameters, self._rig
        how = Execution(given.execution, given.m, given.prefer, given.execute)
        execution = how.build(len(rig.joints), given.chunk_size) if given.autonomous else None
        takeover = Takeover(
            demonstrating=not given.autonomous,
            home=rig.start,
            home_step=rig.velocity * np.float32(HOME_SPEED * rig.period_ns / NS_PER_S),
            blend_ns=_ns(given.blend_s),
            align=given.align_rad,
        )
        return Session(SafetyGate(rig, _ns(given.stale_s)), takeover, execution, _ns(given.policy_timeout_s))

    def _make_inbox(self) -> Inbox:
        given = self._parameters
        patience_s = {"arms": given.stale_s, "pedal": given.pedal_timeout_s}
        if given.recorded:
            patience_s["recorder"] = given.recorder_timeout_s
        if given.autonomous:
            patience_s["policy"] = given.policy_timeout_s
        patience_ns = {name: _ns(s) for name, s in patience_s.items()}
        return Inbox(self._node, self._rig, self._clock, self._sources, patience_ns)

    def _connect(self) -> None:
        self._commands = {
            name: self._node.create_publisher(JointTrajectory, topics.joint_command(name), topics.NEWEST)
            for arm in self._rig.arms
            for name in (arm.follower, arm.leader)
        }
        self._torques = [self._node.create_client(SetBool, topics.torque(arm.leader)) for arm in self._rig.arms]
        self._steps = self._node.create_publisher(JointTrajectory, topics.STEP, topics.STREAM)
        self._drivers = self._node.create_publisher(String, topics.DRIVER, topics.LATCHED)
        self._sources.watch(*map(topics.joint_command, self._commands), topics.STEP, topics.DRIVER)

    def _run(self) -> None:
        while not self._life.stopping and not self._ready():
            if self._sources.rival:
                raise Fault(self._sources.rival)
            if self._loop.wait() is None:
                return
        if self._life.stopping:
            return
        self._inbox.forget()
        self._node.get_logger().info("every source speaks; control starts")
        while not self._life.stopping:
            deadline_ns = self._loop.wait()
            if deadline_ns is None or self._life.stopping:
                return
            self._tick(self._clock.now_ns())

    def _ready(self) -> bool:
        """Gated on data from every source, not on time; refused, and said, while a leader is far from its follower."""
        missing = self._inbox.never_heard
        far = "" if missing else self._far_leader()
        alone = self._sources.rival if self._sources.looked else "looking for others on this ROS domain"
        waiting = f"waiting for {', '.join(missing)}" if missing else far or alone
        if far and not self._refused:
            self._node.get_logger().error(f"HOLD: {far}")
        self._refused = bool(far)
        self._faults = (waiting,) if waiting else ()
        return not waiting

    def _far_leader(self) -> str:
        """The joint whose leader stands too far from its follower to start; empty when none."""
        if self._parameters.autonomous:
            return ""
        far = apart(self._rig.joint_names, self._inbox.leader_beside_follower(), self._parameters.align_rad)
        return f"control does not start: {far[0]}" if far else ""

    def _needed(self) -> list[str]:
        """The sources without which the followers must hold in the present state."""
        arms = [name for arm in self._rig.arms for name in (arm.follower, arm.leader)]
        driven_by_policy = self._session.takeover.state in (State.ROBOT, State.RETURNING)
        recorder = ["recorder"] if self._parameters.recorded else []
        return [*arms, *recorder, "pedal", *(["policy"] if driven_by_policy else [])]

    def _tick(self, now_ns: int) -> None:
        before = self._faults
        inputs = self._inbox.take(now_ns, self._needed())
        outcome = self._session.tick(now_ns, inputs)
        self._faults = outcome.faults
        copied_ns = inputs.leader_ns if outcome.mirror is None and not self._faults else None
        self._command(now_ns, outcome.step, outcome.mirror, copied_ns)
        if copied_ns is not None:
            self._leader_to_command.add(self._clock.now_ns() - copied_ns)
        self._steps.publish(messages.to_step(outcome.step, self._rig))
        away = outcome.faults != inputs.faults
        if self._faults and (not before or away > self._away):
            self._node.get_logger().error(f"HOLD: {'; '.join(self._faults)}")
        elif before and not self._faults:
            self._node.get_logger().info("hold ended")
        self._away = away
        not_finite = bool(outcome.step.gate & Gate.NOT_FINITE)
        if not_finite and not self._not_finite:
            self._node.get_logger().error("HOLD: the followers are asked for what is not a number")
        self._not_finite = not_finite
        driver = "hold" if self._faults else self._session.takeover.state.name.lower()
        if driver != self._driver:
            self._driver = driver
            self._drivers.publish(String(data=driver))

    def _command(self, now_ns: int, step: Step, mirror: Floats | None, copied_ns: int | None) -> None:
        for arm in self._rig.arms:
            part = self._rig.arm_slice(arm.name)
            targets = [(arm.follower, step.action)] + ([] if mirror is None else [(arm.leader, mirror)])
            for name, target in targets:
                message = messages.to_command(arm.joint_names, now_ns, target[part], self._rig.period_ns, copied_ns)
                self._commands[name].publish(message)
        self._set_torque(mirror is not None)

    def _set_torque(self, on: bool) -> None:
        """Leaders hold and mirror while the robot drives, and are free in the human's hands."""
        if on == self._torque or not all(client.service_is_ready() for client in self._torques):
            return
        self._torque = on
        for client in self._torques:
            client.call_async(SetBool.Request(data=on))

    def _health(self) -> Health:
        lateness = self._loop.lateness()
        values = {
            "driver": self._driver,
            "real_time_priority": has_precedence(),
            "ticks": lateness.ticks,
            **{f"period_{name}_ms": round(value, 3) for name, value in lateness.period_ms.items()},
            "late_p50_ms": round(lateness.p50_ms, 3),
            "late_p99_ms": round(lateness.p99_ms, 3),
            "late_max_ms": round(lateness.max_ms, 3),
            "late_over_half_period": lateness.late,
            "missed": lateness.missed,
            **self._leader_to_command.milliseconds("leader_to_command"),
            **{f"gate_{gate.name}": self._session.gate.counts[gate] for gate in Gate},
        }
        if self._faults:
            return Health(Level.ERROR, "; ".join(self._faults), values)
        return Health(Level.OK, f"driving: {self._driver}", values)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def main() -> None:
    take_precedence()
    sys.exit(process.run("control", ControlNode))
