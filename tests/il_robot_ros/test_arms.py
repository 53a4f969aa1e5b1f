"""The arms' process: what it says when it ends while its arms come up, and whom it obeys."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Joy
from trajectory_msgs.msg import JointTrajectory

from calibration.joint import RAD_PER_TICK
from hardware.emulated_lab import open_lab, write_lab
from hardware.rig_arms import RigArms
from il_robot.errors import Fault
from il_robot_ros import messages, topics
from il_robot_ros.arms import ArmsNode
from il_robot_ros.process import Life

pytestmark = pytest.mark.ros
STOPPED = "stopped on the way: the arms hold where they are, stiff"
PATIENCE_S = 60.0
MIDDLE = 2048


@pytest.mark.parametrize(
    ("stopped_at", "said", "stiff"),
    [("going to the start pose", STOPPED, True), ("squeeze the leader's gripper to begin", "going to sleep", False)],
)
def test_arms_stopped_before_the_session_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: str, said: str, stiff: bool
) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    folder = tmp_path / "lab"
    write_lab("koch", folder)
    context = rclpy.Context()
    start_s = 60.0 if stiff else 0.5  # who is to be stopped on the way must not have come to its end
    arguments = ["--ros-args", "-p", f"rig:={folder}", "-p", f"start_s:={start_s}", "-p", "reply_s:=0.1"]
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("arms", context=context)
    says: list[str] = []
    monkeypatch.setattr(ArmsNode, "_say", lambda _, doing: says.append(doing))
    monkeypatch.setattr("il_robot_ros.arms.RigArms", partial(RigArms, speed=2.5))  # nobody stands beside them
    emulated = open_lab(folder)[-1]
    with emulated:

        def torque() -> set[bool]:
            servos = [servo for bus in emulated.buses.values() for servo in bus.do("state").values()]
            return {bool(servo["Torque_Enable"]) for servo in servos}

        life = Life()
        arms = ArmsNode(node, life)
        while not says or not says[-1].startswith(stopped_at) or (stiff and torque() != {True}):
            assert not life.stopping, life.error
            time.sleep(0.01)
        life.stop()
        arms.close()
        assert says[-1].startswith(said)
        assert life.exit_code == 0
        assert torque() == {stiff}
    node.destroy_node()
    context.try_shutdown()


def test_while_another_commands_the_arms_too_they_obey_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    folder = tmp_path / "lab"
    write_lab("koch", folder)
    rig, *_, emulated = open_lab(folder)
    arm = rig.arms[0]
    context = rclpy.Context()
    given = {"rig": folder, "start_s": 0.5, "reply_s": 0.1, "frees_leaders": "false"}
    arguments = ["--ros-args", *(word for name, value in given.items() for word in ("-p", f"{name}:={value}"))]
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node, control, stranger = (Node(name, context=context) for name in ("arms", "control", "stranger"))
    spinning = EventsExecutor(context=context)
    spinning.add_node(node)
    monkeypatch.setattr("il_robot_ros.arms.RigArms", partial(RigArms, speed=2.5))  # nobody stands beside them
    with emulated:
        life = Life()
        arms = ArmsNode(node, life)
        follower, held = emulated.buses[arm.follower], MIDDLE + round(0.2 / RAD_PER_TICK)

        def goal() -> int:
            return follower.do("state")[1]["Goal_Position"]

        def send_until(sent: dict[Publisher, float], comes: Callable[[], bool]) -> None:
            deadline_s = time.monotonic() + PATIENCE_S
            while not comes():
                assert time.monotonic() < deadline_s and not life.stopping, (goal(), life.error)
                for publisher, aside in sent.items():
                    target = rig.start + np.float32(aside)
                    publisher.publish(messages.to_command(arm.joint_names, time.time_ns(), target, rig.period_ns))
                until_s = time.monotonic() + 0.02
                while time.monotonic() < until_s:
                    spinning.spin_once(timeout_sec=0.005)

        def publisher_of(whose: Node) -> Publisher:
            return whose.create_publisher(JointTrajectory, topics.joint_command(arm.follower), topics.NEWEST)

        ours = publisher_of(control)
        send_until({ours: 0.2}, lambda: goal() == held)
        theirs = publisher_of(stranger)
        what = "another process publishes /follower_main/joint_trajectory"
        send_until({ours: 0.2}, lambda: arms._health().summary.startswith(what))
        until_s = time.monotonic() + 2.5  # it looks around in between
        send_until({ours: 0.3, theirs: -0.5}, lambda: time.monotonic() > until_s or goal() != held)
        assert goal() == held, "one of the two was obeyed"
        life.stop()
        arms.close()
    for gone in (node, control, stranger):
        gone.destroy_node()
    context.try_shutdown()


def test_no_bus_is_opened_before_the_other_processes_are_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pedal that is not there, say, is found out while the arms still stand untouched."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    write_lab("koch", tmp_path / "lab")  # nothing is behind its ports: opening one would be a fault
    context = rclpy.Context()
    arguments = ["--ros-args", "-p", f"rig:={tmp_path / 'lab'}", "-p", "after:='cameras pedal'"]
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("arms", context=context)
    says: list[str] = []
    monkeypatch.setattr(ArmsNode, "_say", lambda _, doing: says.append(doing))
    life = Life()
    arms = ArmsNode(node, life)
    publishers: list[Publisher] = []

    def come_up(kind: type[CompressedImage] | type[Joy], topic: str, said: str) -> None:
        publishers.append(node.create_publisher(kind, topic, topics.STREAM))
        while not says or says[-1] != said:
            assert not life.stopping, life.error
            time.sleep(0.01)

    come_up(CompressedImage, topics.image("cam_front"), "waiting for cameras, pedal")
    come_up(CompressedImage, topics.image("cam_wrist"), "waiting for pedal")
    publishers.append(node.create_publisher(Joy, topics.PEDAL, topics.STREAM))
    arms.close()
    assert says[-1] == "opening the buses"
    assert isinstance(life.error, Fault) and "follower_main: cannot open" in str(life.error)
    node.destroy_node()
    context.try_shutdown()
