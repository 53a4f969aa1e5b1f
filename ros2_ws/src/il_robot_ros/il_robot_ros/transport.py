"""How messages travel between processes: over UDP; images between cameras, recorder and policy through shared memory.

In Fast DDS' shared memory each process that listens has a lock. Who is killed while it holds its own takes it along,
and whoever sends to it waits for that lock, a second at a time and with all other messages behind it: control stood
still for 1 to 3 s in this way when the arms' process was killed. So those who drive the arms share memory with nobody,
and nobody can keep them waiting. Where images are lost or late, nothing moves because of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from rclpy.utilities import get_rmw_implementation_identifier

RANGE, ALONE = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"
TRANSPORTS, PROFILES = "FASTDDS_BUILTIN_TRANSPORTS", "FASTRTPS_DEFAULT_PROFILES_FILE"
PEERS = "ROS_STATIC_PEERS"
UDP_ON_THIS_COMPUTER = Path(__file__).with_name("only_udp.xml")
"""LOCALHOST by other means: there ROS chooses the transports itself, and shares memory whatever it is told."""


def share_no_memory() -> None:
    """For nodes that this process makes from now on. Whoever has set Fast DDS up differently is left in peace."""
    given = os.environ
    if TRANSPORTS in given or PROFILES in given or not get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        return
    if given.get(RANGE) != "LOCALHOST" and given.get(ALONE) != "1":
        given[TRANSPORTS] = "UDPv4"
    elif not given.get(PEERS):  # peers are heard in ROS' own LOCALHOST only
        given.pop(ALONE, None)
        given[RANGE] = "SYSTEM_DEFAULT"
        given[PROFILES] = str(UDP_ON_THIS_COMPUTER)
