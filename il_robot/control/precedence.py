"""Who goes first on a busy computer: the control path, with real-time priority where the system grants it.

Without it a tick waits until the scheduler comes round, which takes milliseconds once cameras and a policy keep all
cores at work. As in ros2_control, a system that refuses is only slower (https://control.ros.org, controller_manager).
"""

from __future__ import annotations

import os

CONTROL_PRIORITY = 50
"""Of real-time priorities, 1 to 99: what ros2_control takes."""
ARMS_PRIORITY = 55
"""Arms do what they are told before more is worked out; and a control that hangs in a loop keeps no arm from holding
or going to sleep, on a single core either: equals wait for each other."""
HARDWARE_PRIORITY = 60
"""What stands for hardware answers when asked, as hardware does."""


def take_precedence(priority: int = CONTROL_PRIORITY) -> bool:
    """Real-time priority (SCHED_FIFO) for the calling thread and all that it starts from now on; whether granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError:
        return False
    return True


def has_precedence() -> bool:
    """Whether the calling thread goes before ordinary ones."""
    return os.sched_getscheduler(0) == os.SCHED_FIFO
