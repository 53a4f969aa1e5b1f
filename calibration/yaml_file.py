"""What was measured, as YAML that a person can read and change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from il_robot.whole_file import write_whole


def write_yaml(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all. Raises Fault."""
    write_whole(path, yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120).encode())
