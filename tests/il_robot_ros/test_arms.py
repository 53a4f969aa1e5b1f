"""The arms' process ends while its arms come up: what they do then is said."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Joy

from hardware.emulated_lab import open_lab, write_lab
from hardware.rig_arms import RigArms
from il_robot.errors import Fault
from il_robot_ros import topics
from il_robot_ros.arms import ArmsNode
from il_robot_ros.process import Life

pytestmark = pytest.mark.ros
STOPPED = "stopped on the way: the arms hold where they are, stiff"


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
    arguments = ["--ros-args", "-p", f"rig:={folder}", "-p", "start_s:=0.5", "-p", "reply_s:=0.1"]
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("arms", context=context)
    says: list[str] = []
    monkeypatch.setattr(ArmsNode, "_say", lambda _, doing: says.append(doing))
    monkeypatch.setattr("il_robot_ros.arms.RigArms", partial(RigArms, speed=2.5))  # nobody stands beside them
    emulated = open_lab(folder)[-1]
    with emulated:
        life = Life()
        arms = ArmsNode(node, life)
        while not says or not says[-1].startswith(stopped_at):
            assert not life.stopping, life.error
            time.sleep(0.01)
        if stiff:
            time.sleep(0.2)  # on its way
        life.stop()
        arms.close()
        assert says[-1].startswith(said)
        assert life.exit_code == 0
        for bus in emulated.buses.values():
            assert {bool(servo["Torque_Enable"]) for servo in bus.do("state").values()} == {stiff}
    node.destroy_node()
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
