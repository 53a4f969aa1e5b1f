"""One session in a ROS domain: a second one would mix its streams into the first one's recording.

On one computer the kernel keeps count: a session holds a name that only one socket can have, and which goes with the
process, however that ends. It is known where the ROS domain is: in every user's processes on one network stack. Other
computers, and whoever publishes the same topics without being a session, are looked for over DDS.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from calibration.rig_file import load_rig
from hardware.ros_domain import ros_domain
from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot_ros import topics
from il_robot_ros.graph_process import Process

LOOK_S = 1.0
"""Who is there answers a newcomer within 0.3 s."""
NAMELESS = "_NODE_NAME_UNKNOWN_"
"""What ROS calls a node of which it has only heard a topic."""
CURE = "end it first, or set another ROS_DOMAIN_ID"


def claim_session(processes: Sequence[Process]) -> socket.socket:
    """The right to start these processes; it lasts until the socket is closed. Raises BadInput when another session,
    or anybody else who publishes what they publish, is in this ROS domain."""
    domain = ros_domain()
    with ExitStack() as given_back:
        claim = given_back.enter_context(_claim(f"\0il-robot session in ROS domain {domain}", domain))
        if other := _publisher(load_rig(str(processes[0].parameters["rig"]))):
            raise BadInput(f"another session runs in ROS domain {domain}: {other}; {CURE}")
        given_back.pop_all()
    return claim


def _claim(name: str, domain: int) -> socket.socket:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(name)
        claim.listen()
    except OSError:
        claim.close()
        raise BadInput(f"another session runs in ROS domain {domain} on this computer{_holder(name)}; {CURE}") from None
    return claim


def _holder(name: str) -> str:
    """Which process has the name, as far as it is to be seen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # nobody ever takes a call: once too many wait, one more would wait for ever
        try:
            asking.connect(name)
            pid = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:  # it ended meanwhile, or hides
            return ""
    return f": process {pid} ({' '.join(words).strip()})"


def _publisher(rig: Rig) -> str:
    """Whoever publishes what only the session's processes may; empty when nobody does."""
    context = Context()
    try:
        rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    except RCLError as error:
        raise BadInput(f"ROS 2 does not start here: {' '.join(str(error).split())}") from None
    try:
        node = Node("looks_for_others", context=context, enable_rosout=False, start_parameter_services=False)
        found, until_s = "", time.monotonic() + LOOK_S
        while time.monotonic() < until_s:
            for topic in topics.of_one_session(rig):
                for info in node.get_publishers_info_by_topic(topic):
                    if info.node_name != NAMELESS:
                        return f"node {info.node_name} publishes {topic}"
                    found = f"somebody publishes {topic}"  # a name may come after its topics
            time.sleep(0.05)
        return found
    finally:
        context.try_shutdown()
