"""Who drives the arms shares memory with nobody: who is killed in it takes locks along that the others wait for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros
NODE = """
import sys
from il_robot_ros import process

def make(node, life):
    with open("/proc/self/maps") as maps:
        print(len({line.split()[-1] for line in maps if "/dev/shm/fastrtps_" in line}))
    life.stop()

raise SystemExit(process.run("alone", make, images="images" in sys.argv))
"""
SETTINGS = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "FASTDDS_BUILTIN_TRANSPORTS", "RMW_IMPLEMENTATION")


def shares_memory(*arguments: str, **given: str) -> bool:
    """Whether a node does that is started with these arguments in this environment."""
    environment = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    environment |= {"ROS_DOMAIN_ID": str(100 + os.getpid() % 100), **given}
    command = [sys.executable, "-c", NODE, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) > 0


@pytest.mark.parametrize(
    "given",
    [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, {"ROS_LOCALHOST_ONLY": "1"}],
    ids=["as it comes", "localhost", "the older word for it"],
)
def test_a_node_shares_no_memory_wherever_it_is_heard(given: dict[str, str]) -> None:
    assert not shares_memory(**given)


def test_a_node_shares_memory_for_images_or_where_it_was_told_to() -> None:
    assert shares_memory("images", ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    assert shares_memory(FASTDDS_BUILTIN_TRANSPORTS="DEFAULT")
