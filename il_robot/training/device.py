"""Where networks compute."""

from __future__ import annotations

import torch

from il_robot.errors import BadInput


def check_device(name: str) -> None:
    """Raises BadInput when this machine has no device called ``name``: cpu, cuda, cuda:1 ..."""
    allowed = ["cpu"]
    if torch.cuda.is_available():
        allowed += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name not in allowed:
        raise BadInput(f"device {name!r}: this torch sees no such device; allowed: {', '.join(allowed)}")
