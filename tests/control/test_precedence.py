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


def ask(*arguments: str) -> str:
    """What a process of its own says: this one keeps its priority."""
    done = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_holds_for_what_is_started_later() -> None:
    assert ask() in {"False True True True", "False False False False"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_system_that_refuses_is_no_error() -> None:
    assert ask("nobody") == "False False False False"
