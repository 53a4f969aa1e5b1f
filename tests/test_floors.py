"""The house stands: nobody imports from a floor above, heavy libraries stay in their rooms, files stay small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROS = "ros2_ws/src/il_robot_ros/il_robot_ros"
PACKAGES = {"il_robot": "il_robot", "calibration": "calibration", "hardware": "hardware", "il_robot_ros": ROS}
COMPOSITION_ROOT = "il_robot/cli.py"
ROS_LIBRARIES = {"rclpy", "launch", "ament_index_python", "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs"}
ROS_LIBRARIES |= {"geometry_msgs", "diagnostic_msgs", "rosgraph_msgs", "builtin_interfaces", "rcl_interfaces"}
DEVICE_LIBRARIES = {"dynamixel_sdk", "serial", "evdev"}
FORBIDDEN = {
    "il_robot": {"calibration", "hardware", "il_robot_ros", *ROS_LIBRARIES, *DEVICE_LIBRARIES},
    "calibration": {"hardware", "il_robot_ros", *ROS_LIBRARIES, *DEVICE_LIBRARIES},
    "hardware": {"il_robot_ros", *ROS_LIBRARIES},
    "il_robot_ros": DEVICE_LIBRARIES,
}
ROOMS = {
    "torch": ("il_robot/policies/", "il_robot/training/", "il_robot/dagger/"),
    "torchvision": ("il_robot/policies/", "il_robot/training/"),
    "safetensors": ("il_robot/policies/", "il_robot/training/"),
    "mujoco": ("il_robot/sim/",),
}
"""A library, and the only folders that may import it."""
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
LONGEST = 300


def files() -> Iterator[tuple[str, str, Path]]:
    """(package, path in the repository, file) of every source file."""
    for package, folder in PACKAGES.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield package, str(file.relative_to(ROOT)), file


FILES = [pytest.param(package, path, file, id=path) for package, path, file in files()]


def imported(source: str) -> list[tuple[int, str]]:
    """(line, module) of every import at any depth: of statements, and of the calls that import by name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.lineno, node.module or ""))
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, "." * node.level))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            found.append((node.lineno, str(getattr(node.args[0], "value", "?"))))
    return found


def broken(package: str, path: str, source: str) -> list[str]:
    """Every import of this file that it must not have."""
    lines = []
    for line, module in imported(source):
        library = module.partition(".")[0]
        if module.startswith("."):
            lines.append(f"{path}:{line}: a relative import hides which floor it is from")
        if library in FORBIDDEN[package] and path != COMPOSITION_ROOT:
            lines.append(f"{path}:{line}: {package} must not import {module}")
        if library in ROOMS and not path.startswith(ROOMS[library]):
            lines.append(f"{path}:{line}: only {', '.join(ROOMS[library])} may import {module}")
    return lines


@pytest.mark.parametrize(("package", "path", "file"), FILES)
def test_no_floor_is_broken(package: str, path: str, file: Path) -> None:
    assert broken(package, path, file.read_text()) == []


@pytest.mark.parametrize(("package", "path", "file"), FILES)
def test_files_are_short_and_named_after_what_they_hold(package: str, path: str, file: Path) -> None:
    assert not EMPTY_NAMES & set(re.split(r"[_/.]", path.removesuffix(".py"))), f"{path}: the name says nothing"
    assert len(file.read_text().splitlines()) <= LONGEST, f"{path} is longer than {LONGEST} lines"


@pytest.mark.parametrize(
    ("package", "path", "source"),
    [
        ("il_robot", "il_robot/control/rate.py", "import rclpy.node"),
        ("il_robot", "il_robot/control/rate.py", "def f():\n    from calibration.rig_file import load_rig"),
        ("il_robot", "il_robot/control/rate.py", "import numpy as np, torch.nn as nn"),
        ("il_robot", "il_robot/episodes/writer.py", "import importlib\nimportlib.import_module('mujoco')"),
        ("calibration", "calibration/arm.py", "if True:\n    from hardware import bus"),
        ("hardware", "hardware/arm.py", "from il_robot_ros import topics"),
        ("il_robot_ros", f"{ROS}/policy.py", "from torch import Tensor"),
        ("il_robot", "il_robot/control/rate.py", "from ..sim import world"),
    ],
)
def test_a_broken_floor_is_found(package: str, path: str, source: str) -> None:
    assert len(broken(package, path, source)) == 1


def test_the_walk_sees_every_package() -> None:
    assert {package for package, _, _ in files()} == set(PACKAGES)
    assert (ROOT / COMPOSITION_ROOT).is_file()
