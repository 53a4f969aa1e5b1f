"""The control process in its first moment, everything around it played over DDS."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from calibration.rig_file import load_rig
from il_robot.types import ActionChunk
from il_robot_ros import messages, topics
from il_robot_ros.control import ControlNode
from il_robot_ros.process import Life

pytestmark = pytest.mark.ros
PATIENCE_S = 20.0


def test_what_was_pressed_before_control_starts_is_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would free leaders that nobody holds."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    given = ["rig:=koch", "autonomous:=true", "recorded:=false"]
    context = rclpy.Context()
    arguments = ["--ros-args", *(word for one in given for word in ("-p", one))]
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node, player = Node("control", context=context), Node("player", context=context)
    executor = SingleThreadedExecutor(context=context)
    for one in (node, player):
        executor.add_node(one)
    life, heard, drivers = Life(), list[Joy](), list[str]()
    rig = load_rig("koch")
    arm = rig.arms[0]
    ControlNode(node, life)
    node.create_subscription(Joy, topics.PEDAL, heard.append, topics.STREAM)
    player.create_subscription(String, topics.DRIVER, lambda message: drivers.append(message.data), topics.LATCHED)
    pedal = player.create_publisher(Joy, topics.PEDAL, topics.STREAM)
    policy = player.create_publisher(JointTrajectory, topics.CHUNK, topics.STREAM)
    arms = [
        player.create_publisher(JointState, topics.joint_states(name), topics.NEWEST)
        for name in (arm.follower, arm.leader)
    ]

    def live_until(comes: Callable[[], bool], *, there: bool, pressed: bool = False) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not comes():
            assert time.monotonic() < deadline_s and not life.stopping, (drivers, life.error)
            pedal.publish(Joy(buttons=[int(pressed and button == rig.pedal.takeover) for button in range(4)]))
            if there:
                now_ns, still = time.time_ns(), np.zeros_like(rig.start)
                for publisher in arms:
                    publisher.publish(messages.to_joint_state(arm.joint_names, now_ns, rig.start, still, still))
                chunk = ActionChunk(np.tile(rig.start, (20, 1)), now_ns, rig.period_ns)
                policy.publish(messages.to_chunk(chunk, rig.joint_names))
            until_s = time.monotonic() + 0.02
            while time.monotonic() < until_s:
                executor.spin_once(timeout_sec=0.005)

    def was_down() -> bool:
        return any(sum(joy.buttons) for joy in heard)

    live_until(lambda: len(heard) > 3, there=False)
    live_until(was_down, there=False, pressed=True)
    heard.clear()
    live_until(lambda: len(heard) > 3 and not sum(heard[-1].buttons), there=False)
    live_until(lambda: bool(drivers), there=True)
    assert drivers[0] == "idle"
    live_until(lambda: "human" in drivers, there=True, pressed=True)
    life.stop()
    life.join()
    for one in (node, player):
        one.destroy_node()
    context.try_shutdown()
