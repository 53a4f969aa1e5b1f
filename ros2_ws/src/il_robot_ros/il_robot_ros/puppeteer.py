"""The scripted operator as a process: its hands move the simulated leaders, its foot presses a pedal.

The pedal is an emulated device behind a pseudo-terminal, so the pedal node reads it through the real driver.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from hardware.emulated_pedal import EmulatedPedal
from il_robot.errors import BadInput, nearest
from il_robot.sim.demonstrator import Demonstrator
from il_robot.sim.expert import Expert
from il_robot.sim.manner import Style
from il_robot.sim.operator import Doing, Operator, Seen
from il_robot.sim.supervisor import Gate, Supervisor
from il_robot.types import Floats
from il_robot_ros import messages, process, topics
from il_robot_ros.clock import clock_of
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.joint_streams import FollowerStreams
from il_robot_ros.parameters import declare, parameter

ROLES = ("demonstrate", "supervise")


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    role: str = parameter("demonstrate the task, or supervise a policy", "demonstrate")
    episodes: int = parameter("how many episodes, then the process ends; 0 = until stopped", 0)
    style: str = parameter("how demonstrations move: closed_loop, timed or human", "closed_loop")
    seed: int = parameter("seed of the human-like variations", 0)
    pedal_link: str = parameter("where the emulated pedal appears; - = a human has the pedal", "-")
    limit_steps: int = parameter("an episode is given up after this many steps", 1500)
    resets: bool = parameter("have the scene put back before each episode", True)
    corrects: bool = parameter("supervising: take over when the policy fails", True)
    knock_at: int = parameter("the cube is knocked away this many steps into an episode; -1 = never", -1)


class PuppeteerNode:
    """Everything of the scripted operator's process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        self._given = declare(node, Parameters)
        self._rig = load_rig(self._given.rig)
        self._time = clock_of(node)
        self._streams = FollowerStreams(node, self._rig)
        self._words = {topics.RECORDER: "", topics.DRIVER: "", topics.MILESTONE: "nothing"}
        self._operator = self._make_operator()
        self._pedal = None if self._given.pedal_link == "-" else EmulatedPedal(Path(self._given.pedal_link))
        self._connect()
        Diagnostics(node, lambda: Health(Level.OK, f"{len(self._operator.report)} episodes done"))
        life.thread("operator", self._run)

    def _make_operator(self) -> Operator:
        given = self._given
        if given.role not in ROLES:
            raise BadInput(f"puppeteer: role {given.role!r}; {nearest(given.role, ROLES)}")
        expert = Expert(self._rig, style=cast(Style, given.style), seed=given.seed)
        taps = given.pedal_link != "-"
        if given.role == "demonstrate":
            return Demonstrator(self._rig, expert, given.episodes, given.limit_steps, taps)
        gate = Gate(
            limit=given.limit_steps, corrects=given.corrects, knock_at=None if given.knock_at < 0 else given.knock_at
        )
        return Supervisor(self._rig, expert, given.episodes, gate, taps, given.resets)

    def _connect(self) -> None:
        node = self._node
        for topic in self._words:
            node.create_subscription(String, topic, self._store_word(topic), topics.LATCHED)
        self._hands = {
            arm: node.create_publisher(JointTrajectory, topics.hand(arm.leader), topics.NEWEST)
            for arm in self._rig.arms
        }
        self._requests = {
            "reset": node.create_client(Trigger, topics.RESET),
            "knock": node.create_client(Trigger, topics.KNOCK),
        }

    def _store_word(self, topic: str) -> Callable[[String], None]:
        def store(message: String) -> None:
            self._words[topic] = message.data

        return store

    def _run(self) -> None:
        seen_ns = 0
        while not self._life.stopping:
            observation = self._streams.wait_newer(seen_ns, timeout_s=0.1)
            if observation is None or not all(client.service_is_ready() for client in self._requests.values()):
                continue
            seen_ns = observation.time_ns
            said = len(self._operator.report)
            words = self._words
            doing = self._operator.act(
                Seen(observation, words[topics.RECORDER], words[topics.DRIVER], words[topics.MILESTONE])
            )
            if (
                doing.hand is not None and words[topics.DRIVER] == "hold"
            ):  # it ends only with the leaders at the followers
                doing = replace(doing, hand=observation.qpos)
            self._do(doing)
            for line in self._operator.report[said:]:
                self._node.get_logger().info(line)
            if self._operator.finished and self._words[topics.RECORDER] == "ready":
                return

    def _do(self, doing: Doing) -> None:
        if doing.hand is not None:
            self._move_hands(doing.hand)
        if doing.tap is not None and self._pedal is not None:
            self._pedal.tap(getattr(self._rig.pedal, doing.tap))
        if doing.request is not None:
            self._requests[doing.request].call_async(Trigger.Request())

    def _move_hands(self, target: Floats) -> None:
        now_ns = self._time.now_ns()
        for arm, publisher in self._hands.items():
            part = target[self._rig.arm_slice(arm.name)]
            publisher.publish(messages.to_command(arm.joint_names, now_ns, part, self._rig.period_ns))

    def close(self) -> None:
        self._life.join()
        if self._pedal is not None:
            # Not unplugged: a pedal lost before this process is gone would be a fault.
            self._pedal.link.unlink(missing_ok=True)


def main() -> None:
    sys.exit(process.run("puppeteer", PuppeteerNode))
