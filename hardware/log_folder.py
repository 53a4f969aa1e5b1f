"""Whether ROS 2 has a folder for its logs: without one no node starts, and says so in ten lines."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def no_place_for_logs() -> str:
    """What is wrong and its cure, in a line; empty when all is well."""
    home, ros_home = os.environ.get("HOME"), os.environ.get("ROS_HOME")
    folder = os.environ.get("ROS_LOG_DIR") or (ros_home and f"{ros_home}/log") or (home and f"{home}/.ros/log")
    if not folder:
        return "HOME is not set, where ROS 2 keeps its logs; set it, or ROS_LOG_DIR"
    if why := unwritable(first_there(Path(folder).expanduser())):
        return f"{folder}: ROS 2 cannot keep its logs there: {why}; set ROS_LOG_DIR to a folder of yours"
    return ""


def first_there(path: Path) -> Path:
    """The path, or the first above it that exists."""
    return next(above for above in (path, *path.parents) if os.access(above, os.F_OK))


def unwritable(folder: Path) -> str:
    """Why nothing can be written there; empty when it can."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
