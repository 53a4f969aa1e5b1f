"""No node shares memory with another one: who is killed in it takes locks along that the others wait for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros
NODE = """
from il_robot_ros import process

def make(node, life):
    with open("/proc/self/maps") as maps:
        print(len({line.split()[-1] for line in maps if "/dev/shm/fastrtps_" in line}))
    life.stop()

raise SystemExit(process.run("alone", make))
"""
SETTINGS = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "FASTDDS_BUILTIN_TRANSPORTS", "RMW_IMPLEMENTATION")


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, False),
        ({"ROS_LOCALHOST_ONLY": "1"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT"}, True),
    ],
    ids=["as it comes", "localhost", "the older word for it", "whoever asks for it"],
)
def test_a_node_shares_memory_only_where_it_was_told_to(given: dict[str, str], shares: bool) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    environment |= {"ROS_DOMAIN_ID": str(100 + os.getpid() % 100), **given}
    done = subprocess.run([sys.executable, "-c", NODE], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout) > 0) == shares
