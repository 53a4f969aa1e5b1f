"""What no machine without a GPU shows otherwise: that no network makes a tensor on the CPU in the midst of its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from il_robot.policies.catalogue import CONFIGS


def test_every_policy_computes_on_the_device_that_it_is_on() -> None:
    named = [*(f"{policy}/tiny-image" for policy in CONFIGS), "act/gpu"]
    script = Path(__file__).with_name("elsewhere.py")
    done = subprocess.run([sys.executable, str(script), *named], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == [f"{name}: ok" for name in named], done.stderr
