"""One process of a run, as plain data: what is executed, and what its end means for the others."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool
GRACE_S = 3.0
"""After a process failed the others keep running this long: control holds the followers, the recorder saves."""


@dataclass(frozen=True)
class Process:
    """One process of a run."""

    name: str
    """Also the ROS node's name."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    ends_run: bool = False
    """When it exits with 0, the run is over. Any process that fails ends the run as failed."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """What is executed: the same by whoever starts it."""
        command = [sys.executable, "-m", "il_robot_ros", self.name, "--ros-args", "-r", f"__node:={self.name}"]
        for key, value in self.parameters.items():
            # JSON is YAML (but for escaped emoji): strings keep their quotes, so "007" or "true" stays a string.
            command += ["-p", f"{key}:={json.dumps(value, ensure_ascii=False)}"]
        return command
