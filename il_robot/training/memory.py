"""Out of memory, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from il_robot.errors import Fault


@contextmanager
def told_memory(device: str, cure: str) -> Iterator[None]:
    """While entered, memory that runs out is a Fault that ends in ``cure``: what to lower."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _fault(device, cure, error) from None
    except RuntimeError as error:
        # How torch's allocator of ordinary memory says it.
        if "can't allocate memory" not in str(error):
            raise
        raise _fault(device, cure, error) from None


def _fault(device: str, cure: str, error: Exception) -> Fault:
    said = (str(error).splitlines() or [""])[0].split(". ")[0]
    return Fault(f"out of memory on {device}: {cure} ({said})")
