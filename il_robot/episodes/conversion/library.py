"""Libraries that only conversions and the viewer need: optional, and one clear line where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from il_robot.errors import BadInput


def library(name: str, extra: str = "convert") -> Any:
    """The module ``name``, which comes with the optional ``extra``. Raises BadInput where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != name.split(".")[0]:
            raise
        raise BadInput(f"this needs {name.split('.')[0]}: pip install 'il-robot[{extra}]'") from None
