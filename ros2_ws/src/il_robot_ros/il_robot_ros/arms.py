"""The arms node: every leader and follower of a real rig, one bus thread each, as joint states and commands.

Start: once the other processes of the run have what they need, all servos are inspected and set up, all arms go slowly
to the start pose, then (for demonstrations) the leaders come free once the operator has squeezed both grippers. End:
arms that have torque go slowly to their sleep pose and lose it only there; before they have reached the start pose they
hold instead. A killed process leaves every arm holding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from hardware.arm_loop import ArmLoop
from hardware.arm_setup import in_short
from hardware.leader import Leader
from hardware.rig_arms import RigArms
from hardware.wiring import load_wiring
from il_robot.control.precedence import ARMS_PRIORITY, has_precedence, take_precedence
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault
from il_robot.rig import NS_PER_S, Arm
from il_robot_ros import messages, process, topics
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter
from il_robot_ros.sole_sources import SoleSources


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml; hardware.yaml and calibration.yaml lie beside it")
    frees_leaders: bool = parameter("free the leaders once the operator holds both grippers closed", True)
    start_s: float = parameter("how long the move to the start pose takes at least [s]", 2.0)
    reply_s: float = parameter("how long a servo's answer may take [s]", 0.01)
    after: str = parameter("processes that must have come up before a bus is opened, with spaces between", "")
    verbose: bool = parameter("say each register that is written at the start, not only how many", False)


class ArmsNode:
    """Everything of the arms' process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        self._given = declare(node, Parameters)
        self._rig = load_rig(self._given.rig)
        self._wiring, self._calibration = load_wiring(self._rig, self._given.rig)
        self._clock = SystemClock()
        self._names = {name: arm for arm in self._rig.arms for name in (arm.follower, arm.leader)}
        self._publishers = {
            name: node.create_publisher(JointState, topics.joint_states(name), topics.NEWEST) for name in self._names
        }
        self._loops: dict[str, ArmLoop] = {}
        self._sources = SoleSources(node)
        self._doing = "starting"
        self._lost: dict[str, str] = {}
        Diagnostics(node, self._health)
        life.thread("arms", self._run)

    def _run(self) -> None:
        if not self._others_are_up():
            return
        self._say("opening the buses")
        with RigArms(self._rig, self._wiring, self._calibration, self._given.reply_s) as arms:
            self._say("setting up the servos")
            changes = arms.set_up()
            for line in map(str, changes) if self._given.verbose else in_short(changes):
                self._node.get_logger().info(line)
            if not self._stand_up(arms):
                return
            try:
                if self._wait_for_hands(arms):
                    self._serve(arms)
            finally:  # whatever ended it: the arms are stiff
                self._say("going to sleep: keep clear")
                arms.go_to_sleep(self._clock)

    def _others_are_up(self) -> bool:
        """Waits until nothing that another process needs can be missing any more; False when stopped before. Nothing
        has moved by then, and no bus is open."""
        waited_for: list[str] = []
        while missing := [name for name in self._given.after.split() if not self._is_up(name)]:
            if missing != waited_for:
                self._say(f"waiting for {', '.join(missing)}")
                waited_for = missing
            if self._life.wait(0.05) or self._life.stopping:
                return False
        return True

    def _is_up(self, name: str) -> bool:
        return all(self._node.count_publishers(topic) for topic in topics.of_process(name, self._rig))

    def _stand_up(self, arms: RigArms) -> bool:
        """Whether the arms reached their start pose; else they hold where they are: something may be in their way."""
        self._say("going to the start pose: keep clear")
        arrived = False
        try:
            arrived = arms.go_to_start(self._clock, self._given.start_s, keep_on=self._keep_on)
        finally:
            if not arrived:
                self._say("stopped on the way: the arms hold where they are, stiff; support them before power goes")
        return arrived

    def _wait_for_hands(self, arms: RigArms) -> bool:
        """Whether the arms are ready to be driven; False when stopped before."""
        if not self._given.frees_leaders:
            return True
        grippers = {1: "the leader's gripper", 2: "both leader grippers"}
        self._say(f"squeeze {grippers.get(len(self._rig.arms), 'all leader grippers')} to begin")
        return arms.wait_for_hands(self._clock, keep_on=self._keep_on)

    def _serve(self, arms: RigArms) -> None:
        leaders = {arm.leader: self._leader(arms, arm) for arm in self._rig.arms}
        for name, lag_s in arms.lags_s.items():
            arm = leaders.get(name, arms.arms[name])
            self._loops[name] = ArmLoop(arm, self._rig.rate_hz, self._clock, name, lag_s)
        try:
            for name, loop in self._loops.items():
                self._connect(name, loop, leaders.get(name))
                loop.start()
                self._life.thread(f"publish {name}", self._publisher(name, loop))
            self._say("driving")
            while not self._life.wait(0.1) and self._keep_on():
                pass
        finally:
            for loop in self._loops.values():
                loop.stop()

    def _leader(self, arms: RigArms, arm: Arm) -> Leader:
        step = self._rig.velocity[self._rig.arm_slice(arm.name)] * np.float32(self._rig.period_ns / NS_PER_S)
        say = self._node.get_logger().warning
        leader = Leader(arms.arms[arm.leader], step, self._wiring.weight(arm.leader), say)
        leader.want(follows=not self._given.frees_leaders)
        return leader

    def _connect(self, name: str, loop: ArmLoop, leader: Leader | None) -> None:
        arm = self._names[name]

        def on_command(message: JointTrajectory) -> None:
            copies = message.header.frame_id == messages.COPIED
            since_ns = messages.from_stamp(message.header.stamp) if copies else None
            loop.command(messages.from_command(message, arm.joint_names), since_ns)

        # Only control's gate bounds what is sent: nobody else may be obeyed.
        self._sources.subscribe(JointTrajectory, topics.joint_command(name), on_command, topics.NEWEST)
        if leader is not None:
            self._node.create_service(SetBool, topics.torque(name), self._on_torque(leader))

    def _on_torque(self, leader: Leader) -> Callable[..., SetBool.Response]:
        def on_torque(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
            leader.want(follows=request.data)
            response.success = True
            return response

        return on_torque

    def _publisher(self, name: str, loop: ArmLoop) -> Callable[[], None]:
        arm: Arm = self._names[name]

        def publish() -> None:
            seen_ns = 0
            while not self._life.stopping:
                try:
                    state = loop.wait_newer(seen_ns, timeout_s=0.1)
                    self._lost.pop(name, None)
                except Fault as fault:
                    # Silence makes control hold; a bus that answers again is used again.
                    self._lost[name] = str(fault)
                    self._life.wait(0.1)
                    continue
                if state is not None:
                    seen_ns = state.time_ns
                    self._publishers[name].publish(
                        messages.to_joint_state(arm.joint_names, state.time_ns, state.qpos, state.qvel, state.effort)
                    )

        return publish

    def _keep_on(self) -> bool:
        return not self._life.stopping

    def _say(self, doing: str) -> None:
        self._doing = doing
        self._node.get_logger().info(doing)

    def _health(self) -> Health:
        values: dict[str, object] = {"real_time_priority": has_precedence()}
        for name, loop in self._loops.items():
            health = loop.health()
            values[f"{name}_lost"] = health.lost
            values[f"{name}_late_p99_ms"] = round(health.lateness.p99_ms, 3)
            values |= loop.leader_to_wire.milliseconds(f"{name}_leader_to_wire")
        if wrong := [*self._lost.values(), *filter(None, [self._sources.rival])]:
            return Health(Level.ERROR, "; ".join(wrong), values)
        return Health(Level.OK, self._doing, values)

    def close(self) -> None:
        self._life.join()


def main() -> None:
    take_precedence(ARMS_PRIORITY)
    sys.exit(process.run("arms", ArmsNode))
