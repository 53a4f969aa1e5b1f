"""Real-time priority, as this machine grants it, and refused as to a user without rights."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = """
import os, sys, threading
from il_robot.control.precedence import has_precedence, take_precedence
if "nobody" in sys.argv:
    os.setuid(65534)
before, granted = has_precedence(), take_precedence()
threads = []
thread = threading.Thread(target=lambda: threads.append(has_precedence()))
thread.start()
thread.join()
print(before, granted, has_precedence(), *threads)
"""
HANGS = """
import time
from il_robot.control.precedence import take_precedence
take_precedence()
print(flush=True)
until_s = time.monotonic() + 2
while time.monotonic() < until_s:
    pass
"""
BESIDE = """
import os, subprocess, sys, time
from il_robot.control.precedence import ARMS_PRIORITY, take_precedence
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
granted = take_precedence(ARMS_PRIORITY)
control = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
control.stdout.readline()
for _ in range(10):
    time.sleep(0.01)
print(not granted or control.poll() is None)
control.kill()
control.wait()
"""


def ask(*arguments: str) -> str:
    """What a process of its own says: this one keeps its priority."""
    done = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_holds_for_what_is_started_later() -> None:
    assert ask() in {"False True True True", "False False False False"}


def test_a_control_that_hangs_keeps_no_arm_from_its_turn_on_one_core() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE, HANGS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_system_that_refuses_is_no_error() -> None:
    assert ask("nobody") == "False False False False"
