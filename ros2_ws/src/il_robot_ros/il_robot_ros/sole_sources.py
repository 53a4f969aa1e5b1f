"""One process for each stream: a second one's words cannot be told from the first one's, so nothing is taken then.

DDS tells of another publisher when it delivers the first message of it; graph and counters alone would be seconds late.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile

from hardware.ros_domain import ros_domain


class SoleSources:
    """Watches topics that only one process may publish, whether this one hears or writes them."""

    def __init__(self, node: Node) -> None:
        self.rival = ""
        """Who else publishes, in one line; empty while every stream has one source."""
        self.looked = False
        """Whether there was time to find others."""
        self._node = node
        self._topics: list[str] = []
        self._first: dict[str, bytes] = {}
        """By topic: the publisher that was there first."""
        self._matched: dict[str, int] = {}
        self._seen = False
        """Whether a rival was there since it last looked around."""
        node.create_timer(1.0, self._look_around)

    def watch(self, *topics: str) -> None:
        """Watches what this process writes."""
        self._topics += topics

    def subscribe(self, kind: type[Any], topic: str, callback: Callable[..., None], qos: QoSProfile) -> None:
        """Subscribes; while there is a rival, on this or another watched topic, nothing that comes is handed on."""

        @functools.wraps(callback)
        def alone(*heard: Any) -> None:
            if not self.rival:
                callback(*heard)

        def matched(told: Any) -> None:
            self._matched[topic] = told.current_count
            self._look(closely=True)

        self._topics.append(topic)
        events = SubscriptionEventCallbacks(matched=matched)
        self._node.create_subscription(kind, topic, alone, qos, event_callbacks=events)

    def _look_around(self) -> None:
        """Only a second look that finds nobody ends it: what a rival said last may lie in a queue for a while."""
        before, self._seen = self._seen, False
        self._look(closely=bool(self.rival))
        if not before and not self._seen:
            self.rival = ""
        self.looked = True

    def _look(self, closely: bool) -> None:
        """Closely: which publishers there are, where else how many will do, which takes a tenth of the time."""
        for topic in self._topics:
            alone = not closely and topic in self._first and self._node.count_publishers(topic) == 1
            if not alone and self._has_rival(topic):
                self._seen = True
                where = f"in ROS domain {ros_domain()}: end it, or set another ROS_DOMAIN_ID"
                self.rival = f"another process publishes {topic} {where}"
                return

    def _has_rival(self, topic: str) -> bool:
        there = {bytes(info.endpoint_gid) for info in self._node.get_publishers_info_by_topic(topic)}
        if not there:
            self._first.pop(topic, None)  # whoever comes next is the first again
        elif len(there) == 1:
            self._first.setdefault(topic, *there)
        return self._matched.get(topic, 0) > 1 or bool(there - {self._first.get(topic)})
