"""Out of memory, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from il_robot.errors import Fault
from il_robot.training.recipe import Recipe


@contextmanager
def told_memory(recipe: Recipe, device: str) -> Iterator[None]:
    """While entered, memory that runs out is a Fault that tells what to lower."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _fault(recipe, device, error) from None
    except RuntimeError as error:
        # How torch's allocator of ordinary memory says it.
        if "can't allocate memory" not in str(error):
            raise
        raise _fault(recipe, device, error) from None


def _fault(recipe: Recipe, device: str, error: Exception) -> Fault:
    said = (str(error).splitlines() or [""])[0].split(". ")[0]
    parts = f"--accumulate {recipe.accumulate * 2}, a smaller --batch than {recipe.batch}"
    return Fault(f"out of memory on {device}: try {parts}, or fewer --cameras ({said})")
