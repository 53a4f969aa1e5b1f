"""A node's clock for deadline loops: the computer's, or ``/clock`` when ``use_sim_time`` is set."""

from __future__ import annotations

from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.time import Time

from il_robot.control.rate import Clock, SystemClock


class SimulatedClock:
    """Follows ``/clock``; needs an executor that spins in another thread."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def sleep_until(self, time_ns: int) -> bool:
        return bool(self._node.get_clock().sleep_until(Time(nanoseconds=time_ns, clock_type=ClockType.ROS_TIME)))


def clock_of(node: Node) -> Clock:
    """The clock this node was told to use."""
    simulated = bool(node.get_parameter("use_sim_time").value)
    return SimulatedClock(node) if simulated else SystemClock()
