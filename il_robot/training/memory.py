"""Ordinary memory kept for the next step; memory that runs out, told in one line."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from il_robot.errors import Fault

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""``mallopt(3)``'s names for its settings."""


def keep_freed_memory() -> None:
    """Has the C library keep what a training step or a prediction frees, for the next one needs as much.

    glibc gives large blocks back at once and gets them anew, page by page and zeroed: over a million page faults and
    a tenth of the CPU time in 60 steps of ``act`` with images, a seventh of that of a chunk from four cameras. Where
    there is no ``mallopt`` nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 64 << 20)


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
