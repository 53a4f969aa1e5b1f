"""``python -m il_robot_ros NODE``: one node as a process, quiet when it is stopped while still loading."""

from __future__ import annotations

import importlib
import signal
import sys

from il_robot.errors import BadInput, nearest
from il_robot.leaving import leave_at_once, stop_signals

NODES = ("arms", "cameras", "control", "pedal", "policy", "puppeteer", "recorder", "replay", "sim")


def main() -> None:
    """Load and run the node named by the first argument."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in NODES:
        sys.exit(f"error: no node {name!r}; {nearest(name, NODES)}")
    leave_at_once(0, "", *stop_signals())  # until the node's own handlers are there
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop_signals())  # kept back until here by what started it
    try:
        node = importlib.import_module(f"il_robot_ros.{name}")
    except BadInput as error:  # the machine lacks what the node needs: a simulated rig looks for its GL while loading
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    node.main()


if __name__ == "__main__":
    main()
