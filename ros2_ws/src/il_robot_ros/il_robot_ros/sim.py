"""The simulated rig as a node: the same topics as real arms and cameras, paced by the clock.

Three threads: physics at phase 0 of every period, leaders a quarter later (so that a hand that answers to the
followers' state is felt in the same period), cameras as soon as there is something new to draw.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simplejpeg
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.control.rate import Clock, DeadlineLoop, SystemClock
from il_robot.rig import Arm
from il_robot.sim.clock import PacedClock
from il_robot.sim.leader import Leader
from il_robot.sim.photographer import Photographer
from il_robot.sim.task import TransferCube
from il_robot.sim.world import World, drawn_cube
from il_robot.types import Floats, Frame
from il_robot_ros import messages, process, topics
from il_robot_ros.diagnostics import Diagnostics, Health, Level
from il_robot_ros.parameters import declare, parameter


@dataclass(frozen=True)
class Parameters:
    rig: str = parameter("rig: a name or the path of a rig.yaml")
    task: str = parameter("the task whose scene is built", "transfer_cube")
    speed: float = parameter("with use_sim_time: simulated seconds per real second", 1.0)
    seed: int = parameter("where objects lie after the first reset; each reset takes the next", 0)


class SimNode:
    """Everything of the simulator's process; see the module's text."""

    def __init__(self, node: Node, life: process.Life) -> None:
        self._node = node
        self._life = life
        given = declare(node, Parameters)
        self._rig = load_rig(given.rig)
        simulated_time = bool(node.get_parameter("use_sim_time").value)
        self._time: Clock = PacedClock(given.speed) if simulated_time else SystemClock()
        self._world = World(self._rig, given.task)
        self._task = TransferCube(self._world)
        self._leaders = {arm.leader: Leader(arm, self._rig.period_ns) for arm in self._rig.arms}
        self._physics_loop = DeadlineLoop(self._time, self._rig.period_ns)
        self._seed = given.seed
        self._lock = threading.Lock()
        self._command = self._rig.start
        self._captured_ns = 0
        self._captured = threading.Condition(self._lock)
        self._drawn_ns = 0
        self._frames = 0
        self._skipped = 0
        self._controlled = False
        self._milestone = ""
        self._connect_followers()
        self._connect_leaders()
        self._connect_scene()
        Diagnostics(node, self._health)
        if simulated_time:
            self._clocks = node.create_publisher(ClockMessage, "/clock", topics.NEWEST)
            life.thread("clock", self._run_clock)
        life.thread("physics", self._run_physics)
        life.thread("leaders", self._run_leaders)
        life.thread("cameras", self._run_cameras)

    def _connect_followers(self) -> None:
        for arm in self._rig.arms:
            self._node.create_subscription(
                JointTrajectory, topics.joint_command(arm.follower), self._on_command(arm), topics.NEWEST
            )
        self._states = {
            name: self._node.create_publisher(JointState, topics.joint_states(name), topics.NEWEST)
            for arm in self._rig.arms
            for name in (arm.follower, arm.leader)
        }
        self._poses = {
            thing: self._node.create_publisher(PoseStamped, topics.pose(thing), topics.NEWEST)
            for thing in self._rig.objects
        }
        self._images = {
            camera.name: self._node.create_publisher(CompressedImage, topics.image(camera.name), topics.STREAM)
            for camera in self._rig.cameras
        }

    def _on_command(self, arm: Arm) -> Callable[[JointTrajectory], None]:
        part = self._rig.arm_slice(arm.name)

        def store(message: JointTrajectory) -> None:
            target = messages.from_command(message, arm.joint_names)
            with self._lock:
                self._command = self._command.copy()
                self._command[part] = target
                self._controlled = True

        return store

    def _connect_leaders(self) -> None:
        for arm in self._rig.arms:
            leader = self._leaders[arm.leader]

            def on_hand(message: JointTrajectory, leader: Leader = leader, arm: Arm = arm) -> None:
                leader.hand = messages.from_command(message, arm.joint_names)

            def on_mirror(message: JointTrajectory, leader: Leader = leader, arm: Arm = arm) -> None:
                leader.command = messages.from_command(message, arm.joint_names)

            def on_torque(
                request: SetBool.Request, response: SetBool.Response, leader: Leader = leader
            ) -> SetBool.Response:
                leader.torque = request.data
                # What was asked before belongs to another driver.
                leader.hand = leader.command = None
                response.success = True
                return response

            self._node.create_subscription(JointTrajectory, topics.hand(arm.leader), on_hand, topics.NEWEST)
            self._node.create_subscription(JointTrajectory, topics.joint_command(arm.leader), on_mirror, topics.NEWEST)
            self._node.create_service(SetBool, topics.torque(arm.leader), on_torque)

    def _connect_scene(self) -> None:
        self._milestones = self._node.create_publisher(String, topics.MILESTONE, topics.LATCHED)
        self._node.create_service(Trigger, topics.RESET, self._on_reset)
        self._node.create_service(Trigger, topics.KNOCK, self._on_knock)
        self._node.create_subscription(PoseStamped, topics.PLACE_CUBE, self._on_place, topics.NEWEST)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """A helping hand puts the cube somewhere new; the arms stay where they are."""
        with self._lock:
            self._world.place_cube(drawn_cube(self._seed))
            self._task.restart()
        response.success, response.message = True, f"seed {self._seed}"
        self._seed += 1
        return response

    def _on_knock(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._world.disturb("move_cube", np.random.default_rng(self._seed))
        response.success = True
        return response

    def _on_place(self, message: PoseStamped) -> None:
        with self._lock:
            self._world.place_cube(messages.from_pose(message))
            self._task.restart()

    def _run_physics(self) -> None:
        while not self._life.stopping and self._physics_loop.wait() is not None:
            with self._lock:
                self._world.step(self._command)
                now_ns = self._captured_ns = self._time.now_ns()
                seen = self._world.observe()
                milestone = self._task.update().name.lower()
                self._captured.notify()
            qvel, effort = seen.qvel, seen.effort
            assert qvel is not None and effort is not None
            for arm in self._rig.arms:
                part = self._rig.arm_slice(arm.name)
                self._publish_state(arm.follower, arm, now_ns, seen.qpos[part], qvel[part], effort[part])
            for thing, publisher in self._poses.items():
                publisher.publish(messages.to_pose(now_ns, seen.objects[thing]))
            if milestone != self._milestone:
                self._milestone = milestone
                self._milestones.publish(String(data=milestone))

    def _run_clock(self) -> None:
        """Four times a period, so that loops at a phase of their own wake at it."""
        loop = DeadlineLoop(self._time, self._rig.period_ns // 4)
        while not self._life.stopping and loop.wait() is not None:
            self._clocks.publish(ClockMessage(clock=messages.to_stamp(self._time.now_ns())))

    def _run_leaders(self) -> None:
        loop = DeadlineLoop(self._time, self._rig.period_ns, phase_ns=self._rig.period_ns // 4)
        while not self._life.stopping and loop.wait() is not None:
            now_ns = self._time.now_ns()
            for arm in self._rig.arms:
                leader = self._leaders[arm.leader]
                leader.step()
                self._publish_state(arm.leader, arm, now_ns, leader.qpos, leader.qvel, np.zeros_like(leader.qpos))

    def _publish_state(self, name: str, arm: Arm, now_ns: int, qpos: Floats, qvel: Floats, effort: Floats) -> None:
        self._states[name].publish(messages.to_joint_state(arm.joint_names, now_ns, qpos, qvel, effort))

    def _run_cameras(self) -> None:
        """Draws the newest captured moment; a moment it was too slow for is a skipped frame and is counted."""
        if not self._rig.cameras:
            return
        photographer = Photographer(self._world)
        try:
            while not self._life.stopping:
                time_ns = self._take(photographer)
                if time_ns is not None:
                    self._publish_images(photographer, time_ns)
        finally:
            photographer.close()

    def _take(self, photographer: Photographer) -> int | None:
        """Wait for a moment that was not drawn yet and take it; its time, or None when none comes."""
        with self._captured:
            if not self._captured.wait_for(lambda: self._captured_ns > self._drawn_ns, timeout=0.1):
                return None
            if self._controlled and self._drawn_ns:  # while processes start, nobody needs each frame
                self._skipped += round((self._captured_ns - self._drawn_ns) / self._rig.period_ns) - 1
            self._drawn_ns = self._captured_ns
            photographer.take(self._world)
            return self._drawn_ns

    def _publish_images(self, photographer: Photographer, time_ns: int) -> None:
        images = photographer.draw()
        self._frames += 1
        for camera in self._rig.cameras:
            jpeg = simplejpeg.encode_jpeg(images[camera.name], camera.quality, colorspace="RGB", colorsubsampling="420")
            self._images[camera.name].publish(messages.to_image(camera.name, Frame(jpeg, time_ns, self._frames)))

    def _health(self) -> Health:
        lateness = self._physics_loop.lateness()
        values = {
            "late_p99_ms": round(lateness.p99_ms, 3),
            "late_max_ms": round(lateness.max_ms, 3),
            "missed": lateness.missed,
            "frames": self._frames,
            "frames_skipped": self._skipped,
        }
        if self._skipped:
            return Health(Level.WARN, "camera frames were skipped: this machine is too slow for real time", values)
        return Health(Level.OK, "simulating", values)

    def close(self) -> None:
        self._life.join()
        self._world.close()


def main() -> None:
    sys.exit(process.run("sim", SimNode, images=True))
