"""What the nodes of a run say on /diagnostics, heard over DDS as any other tool hears it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from launched import START_S, Launched
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from il_robot_ros import topics

Values = dict[str, str]


class Diagnosed:
    """Keeps the newest values that each node has said, and as ``summary`` its words."""

    def __init__(self, node: Node) -> None:
        self._said: dict[str, Values] = {}
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._store, topics.STREAM)

    def _store(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._said[status.name] = {"summary": status.message, **{pair.key: pair.value for pair in status.values}}

    def until(self, node: str, holds: Callable[[Values], bool]) -> Values:
        """What ``node`` says once that holds of it; fails when that does not come."""
        deadline_s = time.monotonic() + START_S
        while not (node in self._said and holds(self._said[node])):
            assert time.monotonic() < deadline_s, self._said
            self._executor.spin_once(timeout_sec=0.1)
        return self._said[node]


@contextmanager
def diagnosed(run: Launched) -> Iterator[Diagnosed]:
    """Listens in the run's ROS domain."""
    context = rclpy.Context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        rclpy.init(context=context, domain_id=int(run.domain), signal_handler_options=SignalHandlerOptions.NO, args=[])
        node = Node("diagnosed", context=context, enable_rosout=False, start_parameter_services=False)
        try:
            yield Diagnosed(node)
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)
