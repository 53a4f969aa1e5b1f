"""A computer on which torch.compile cannot work, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from il_robot.errors import Fault


@contextmanager
def told_compiler(cure: str) -> Iterator[None]:
    """While entered, a program that cannot be made is a Fault that ends in ``cure``: mostly a compiler is missing."""
    from torch._dynamo.exc import TorchDynamoException  # takes a second, and only who compiles needs it

    try:
        yield
    except TorchDynamoException as error:
        why = " ".join(str(error).split(" Set TORCH")[0].split("\n\n")[0].split())
        raise Fault(
            f"torch.compile cannot make a program here ({why}): install a C++ compiler (apt install g++) {cure}"
        ) from None
