"""``/diagnostics`` (REP 107): each node says once a second how it is, in one line and a few values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from il_robot_ros import topics


class Level(Enum):
    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Health:
    """How a node is."""

    level: Level
    summary: str
    values: Mapping[str, object] = field(default_factory=dict)


class Diagnostics:
    """Publishes a node's health once a second and logs when its summary changes for the worse."""

    def __init__(self, node: Node, health: Callable[[], Health]) -> None:
        self._node = node
        self._health = health
        self._publisher = node.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, topics.STREAM)
        self._said = ""
        node.create_timer(1.0, self._publish)

    def _publish(self) -> None:
        health = self._health()
        if health.level is not Level.OK and health.summary != self._said:
            self._node.get_logger().warning(health.summary)
        self._said = health.summary
        values = [KeyValue(key=key, value=str(value)) for key, value in health.values.items()]
        status = DiagnosticStatus(level=health.level.value, name=self._node.get_name(), message=health.summary)
        status.values = values
        status.hardware_id = "il-robot"
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
