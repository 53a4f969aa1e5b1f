"""From a hand at the leader to the follower's bus: the teleop graph over an emulated rig with its cameras.

Runs ``il-robot launch teleop`` on an emulated rig while hands move the leaders, and reads /diagnostics: from the
leader's reading to the command sent (control), and to that command being written to the follower's bus (arms). The
second is what an operator feels, servos and USB aside. What the emulators and the cameras need comes off the same
cores.

    python benchmarks/teleop_latency.py --rig aloha --seconds 30
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor

from hardware.emulated_lab import Hands, open_lab, write_lab

ENVIRONMENT = {"ROS_DOMAIN_ID": "72", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def listen(seconds: float) -> dict[str, str]:
    """The last values of every node on /diagnostics, ``seconds`` after control began to drive."""
    values: dict[str, str] = {}

    def store(message: DiagnosticArray) -> None:
        for status in message.status:
            values.update({pair.key: pair.value for pair in status.values})

    rclpy.init()
    node = rclpy.create_node("teleop_latency")
    node.create_subscription(DiagnosticArray, "/diagnostics", store, 50)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    patience_s, ready_s = time.monotonic() + 120, None
    while ready_s is None or time.monotonic() < ready_s + seconds:
        executor.spin_once(timeout_sec=0.2)
        if ready_s is None and "leader_to_command_p50_ms" in values:
            ready_s = time.monotonic()
        if ready_s is None and time.monotonic() > patience_s:
            raise SystemExit(f"control never drove: {values}")
    rclpy.shutdown()
    return values


def measure(rig: str, seconds: float) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as name:
        lab = Path(name) / "lab"
        write_lab(rig, lab)
        described, wiring, calibration, emulated = open_lab(lab)
        with emulated, Hands(described, wiring, calibration, emulated).at_work(), (lab / "log").open("w") as log:
            run = subprocess.Popen(
                [sys.executable, "-m", "il_robot.cli", "launch", "teleop", f"rig:={lab}"],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return listen(seconds)
            finally:
                os.killpg(run.pid, signal.SIGINT)
                run.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rig", default="aloha")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    values = measure(given.rig, given.seconds)
    for key in sorted(values):
        if key.endswith("_ms") or key.endswith("_lost") or key in ("late_over_half_period", "missed", "ticks"):
            print(f"{key:45} {values[key]}")
    print(f"load after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
