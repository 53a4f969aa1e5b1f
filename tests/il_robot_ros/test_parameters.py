"""Parameters travel from the graph's command line into a node's dataclass, each with its own type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import rclpy
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from il_robot.errors import BadInput
from il_robot_ros.graph_process import Process, Value
from il_robot_ros.parameters import declare, parameter


@dataclass(frozen=True)
class Parameters:
    word: str = parameter("must be given")
    number: float = parameter("a number", 1.5)
    count: int = parameter("a whole number", 3)
    flag: bool = parameter("true or false", False)


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """These nodes talk to nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
        yield


@contextmanager
def node_with(parameters: dict[str, Value]) -> Iterator[Node]:
    """A node that was started with the graph's command line."""
    context = rclpy.Context()
    rclpy.init(
        args=Process("sim", parameters).command[3:], context=context, signal_handler_options=SignalHandlerOptions.NO
    )
    node = Node("sim", context=context, enable_rosout=False, start_parameter_services=False)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


printable = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(printable, st.floats(-1e6, 1e6, allow_subnormal=False), st.integers(-(2**31), 2**31), st.booleans())
def test_values_arrive_as_they_were_given(word: str, number: float, count: int, flag: bool) -> None:
    with node_with({"word": word, "number": number, "count": count, "flag": flag}) as node:
        assert declare(node, Parameters) == Parameters(word, number, count, flag)


@pytest.mark.parametrize(
    "word", ["007", "true", "1e3", "null", "~", "José", "grüße 🤖", 'a "b" \\c', "/dev/ttyUSB0", "{}"]
)
def test_a_string_stays_a_string(word: str) -> None:
    with node_with({"word": word}) as node:
        assert declare(node, Parameters) == Parameters(word)


def test_what_is_missing_or_of_another_type_is_said() -> None:
    with node_with({}) as node, pytest.raises(BadInput, match="sim: parameter word is missing: must be given"):
        declare(node, Parameters)
    with node_with({"word": 3}) as node, pytest.raises(BadInput, match="parameter word must be of type str"):
        declare(node, Parameters)
    with node_with({"word": "x", "count": 1.5}) as node, pytest.raises(BadInput, match="count must be of type int"):
        declare(node, Parameters)
