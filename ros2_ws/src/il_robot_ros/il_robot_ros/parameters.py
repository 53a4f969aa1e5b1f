"""A node's parameters as one frozen dataclass: declared with type and description, read once at the start."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, ParameterUninitializedException
from rclpy.node import Node

from il_robot.errors import BadInput

T = TypeVar("T")


def parameter(description: str, default: Any = dataclasses.MISSING) -> Any:
    """A field of a parameter dataclass; without a default it must be given."""
    return dataclasses.field(default=default, metadata={"description": description})


def declare(node: Node, cls: type[T]) -> T:
    """Declare every field of the dataclass ``cls`` on ``node`` and read it. Raises BadInput."""
    assert dataclasses.is_dataclass(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        description = ParameterDescriptor(description=field.metadata.get("description", ""), read_only=True)
        default = None if field.default is dataclasses.MISSING else field.default
        descriptor_default: Any = default if default is not None else ""
        try:
            values[field.name] = node.declare_parameter(field.name, descriptor_default, description).value
        except (InvalidParameterTypeException, ParameterUninitializedException):
            given = type(descriptor_default).__name__
            raise BadInput(f"{node.get_name()}: parameter {field.name} must be of type {given}") from None
        if default is None and values[field.name] == "":
            raise BadInput(f"{node.get_name()}: parameter {field.name} is missing: {description.description}")
    return cls(**values)
