"""The doctor's look at the computer: disk, clock, priority, ROS."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hardware.findings import Row, Verdict
from il_robot.control.precedence import take_precedence

PROBE_BYTES = 32 * 1024 * 1024
FAST_MB_S, SLOW_MB_S = 60, 25
"""Four JPEG cameras at 50 Hz write 14 MB/s; twice and four times that leave room."""
ROOMY_GB, TIGHT_GB = 20, 2
"""An episode of 20 s takes about 0.3 GB."""
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")


def check(dataset: Path) -> Iterator[Row]:
    """Rows for disk, clock, priority and ROS."""
    yield _space(dataset)
    yield _speed(dataset)
    yield _clock()
    yield _priority()
    yield _ros()


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _space(dataset: Path) -> Row:
    free_gb = shutil.disk_usage(_existing(dataset)).free / 1e9
    verdict = Verdict.OK if free_gb >= ROOMY_GB else Verdict.WARNING if free_gb >= TIGHT_GB else Verdict.FAULT
    cure = "" if verdict is Verdict.OK else "free some, or record elsewhere"
    return Row("disk space", verdict, f"{free_gb:.0f} GB free at {dataset}", cure)


def _speed(dataset: Path) -> Row:
    folder = _existing(dataset)
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            block = os.urandom(1024 * 1024)
            began_s = time.perf_counter()
            for _ in range(PROBE_BYTES // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            mb_s = PROBE_BYTES / 1e6 / (time.perf_counter() - began_s)
    except OSError as error:
        return Row("disk speed", Verdict.FAULT, f"{folder}: {error.strerror}", "record to a folder you may write to")
    verdict = Verdict.OK if mb_s >= FAST_MB_S else Verdict.WARNING if mb_s >= SLOW_MB_S else Verdict.FAULT
    return Row("disk speed", verdict, f"{mb_s:.0f} MB/s", "" if verdict is Verdict.OK else "record to a faster disk")


def _clock() -> Row:
    if SYNCHRONISED.exists():
        return Row("clock", Verdict.OK, "synchronised")
    return Row("clock", Verdict.WARNING, "not known to be synchronised", "timedatectl set-ntp true")


def _priority() -> Row:
    granted: list[bool] = []
    asking = threading.Thread(target=lambda: granted.append(take_precedence()))  # a thread, which takes it along
    asking.start()
    asking.join()
    if granted == [True]:
        return Row("priority", Verdict.OK, "control gets real-time priority")
    cure = "hardware/README.md, 'A new rig', step 2: a file in /etc/security/limits.d"
    return Row("priority", Verdict.WARNING, "no real-time priority: a busy computer makes control late", cure)


def _ros() -> Row:
    if importlib.util.find_spec("rclpy") is None:
        return Row("ROS", Verdict.FAULT, "no rclpy", "source /opt/ros/*/setup.bash, or pip install 'il-robot[ros]'")
    domain, rmw = os.environ.get("ROS_DOMAIN_ID", "0"), os.environ.get("RMW_IMPLEMENTATION", "default")
    if os.environ.get("ROS_PYTHON_CHECK_FIELDS", "") not in ("", "0"):
        return Row("ROS", Verdict.WARNING, "ROS_PYTHON_CHECK_FIELDS is set", "unset it: it makes images 1000 x slower")
    return Row("ROS", Verdict.OK, f"domain {domain}, middleware {rmw}")
