"""The doctor's look at the settings of ROS 2: what would keep the processes of a session from finding each other."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from hardware.findings import Row, Verdict
from hardware.log_folder import no_place_for_logs
from hardware.ros_domain import LAST_SAFE_DOMAIN, ros_domain
from il_robot.errors import BadInput, nearest

RANGES = ("LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")


def check() -> Iterator[Row]:
    """One row, or one for each setting that is wrong."""
    if importlib.util.find_spec("rclpy") is None:
        yield _not_there()
        return
    wrong = [row for row in (_domain(), _middleware(), _range(), _fields(), _logs()) if row]
    yield from wrong
    if not wrong:
        rmw = os.environ.get("RMW_IMPLEMENTATION") or "default"
        alone = (
            os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST"
            or os.environ.get("ROS_LOCALHOST_ONLY") == "1"
        )
        heard = "by this computer only" if alone else "by every computer of the network in this domain"
        yield Row("ROS", Verdict.OK, f"domain {ros_domain()}, middleware {rmw}, heard {heard}")


def _not_there() -> Row:
    setups = sorted(Path("/opt/ros").glob("*/setup.bash"))
    if setups:
        return Row("ROS", Verdict.FAULT, "no rclpy", "load it, in every terminal:", f"source {setups[-1]}")
    cure = "install its wheels (docs/install.md has other ways):"
    return Row("ROS", Verdict.FAULT, "no rclpy", cure, f"{sys.executable} -m pip install 'il-robot[ros]'")


def _domain() -> Row | None:
    cure, command = "the same in every terminal:", "export ROS_DOMAIN_ID=0"
    try:
        domain = ros_domain()
    except BadInput as error:
        return Row("ROS", Verdict.FAULT, str(error), cure, command)
    if domain <= LAST_SAFE_DOMAIN:
        return None
    found = f"ROS_DOMAIN_ID={domain}: other programs may have its ports; allowed: 0 to {LAST_SAFE_DOMAIN}"
    return Row("ROS", Verdict.WARNING, found, cure, command)


def _middleware() -> Row | None:
    given = os.environ.get("RMW_IMPLEMENTATION")
    there = {file.stem.removeprefix("lib") for folder in _libraries() for file in folder.glob("librmw_*_cpp.so")}
    there = {name for name in there if name.count("_") == 2 and "shared" not in name}
    if not given or given in there or not there:
        return None
    found = f"RMW_IMPLEMENTATION is {given!r}, which is not installed; {nearest(given, there)}"
    return Row("ROS", Verdict.FAULT, found, "the same in every terminal:", "unset RMW_IMPLEMENTATION")


def _libraries() -> Iterator[Path]:
    """Where shared libraries of ROS may lie: the wheels' place, and every folder that was sourced."""
    yield Path(sys.prefix, "lib")
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(":")):
        yield Path(prefix, "lib")
    yield from map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))


def _range() -> Row | None:
    given = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "SUBNET"
    if given in RANGES:
        return None
    cure, command = "the same in every terminal:", "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
    if given == "OFF":
        found = "ROS_AUTOMATIC_DISCOVERY_RANGE is OFF: no process of a session finds another"
        return Row("ROS", Verdict.FAULT, found, cure, command)
    found = f"ROS_AUTOMATIC_DISCOVERY_RANGE is {given!r}; {nearest(given, RANGES)}"
    return Row("ROS", Verdict.WARNING, found, cure, command)


def _fields() -> Row | None:
    if os.environ.get("ROS_PYTHON_CHECK_FIELDS", "") in ("", "0"):
        return None
    found = "ROS_PYTHON_CHECK_FIELDS is set: it makes images 1000 times slower"
    return Row("ROS", Verdict.WARNING, found, "in every terminal:", "unset ROS_PYTHON_CHECK_FIELDS")


def _logs() -> Row | None:
    wrong = no_place_for_logs()
    if not wrong:
        return None
    return Row("ROS", Verdict.FAULT, wrong, "the same in every terminal:", "export ROS_LOG_DIR=/var/tmp/ros_log_$UID")
