"""Chooses how MuJoCo draws without a screen.

Every file here imports this before ``mujoco``, which reads the choice once.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from il_robot.errors import BadInput

SYSTEM_PACKAGES = "libegl1 libegl-mesa0 libgl1-mesa-dri libgl1"
_GL_ERRORS = (ImportError, AttributeError, OSError, RuntimeError)
"""What PyOpenGL and MuJoCo raise, depending on version and backend, when a GL library is missing."""


def cannot_draw(error: Exception) -> BadInput:
    """The error that says what to install."""
    backend = os.environ.get("MUJOCO_GL", "not set")
    cause = " ".join(str(error).split())
    return BadInput(
        f"MuJoCo cannot draw without a screen (MUJOCO_GL {backend}: {cause}); "
        f"install it: apt-get install -y {SYSTEM_PACKAGES}"
    )


def gl_context(width: int, height: int) -> Any:
    """An offscreen GL context of MuJoCo's chosen backend. Raises BadInput, saying what to install."""
    mujoco = importlib.import_module("mujoco")
    try:
        return mujoco.GLContext(width, height)
    except _GL_ERRORS as error:
        raise cannot_draw(error) from None


if "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")
try:
    importlib.import_module("mujoco")
except _GL_ERRORS as error:
    raise cannot_draw(error) from None
