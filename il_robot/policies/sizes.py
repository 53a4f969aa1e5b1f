"""What a network's configuration may ask for, so that a damaged file is one line and not a crash in torch."""

from __future__ import annotations

from il_robot.errors import BadInput

LARGEST = 100_000
"""No width, count or chunk of a network that could be trained is larger."""
DEEPEST = 1000
"""Nor has any more layers one after another; to build those takes seconds, and more than that for ever."""


def check_sizes(policy: str, dropout: float, **sizes: int) -> None:
    """Raises BadInput when a size is not in 1 .. LARGEST (of layers DEEPEST), or ``dropout`` is not in [0, 1)."""
    for name, size in sizes.items():
        most = DEEPEST if name.endswith("layers") else LARGEST
        if not 1 <= size <= most:
            raise BadInput(f"{policy}: {name} {size}; allowed: 1 to {most}")
    if not 0 <= dropout < 1:
        raise BadInput(f"{policy}: dropout {dropout}; allowed: 0 to below 1")


def check_hidden(policy: str, hidden: tuple[int, ...]) -> None:
    """Raises BadInput when the width of a perceptron's hidden layer is not in 1 .. LARGEST, or there are too many."""
    if len(hidden) > DEEPEST:
        raise BadInput(f"{policy}: {len(hidden)} hidden layers; allowed: 0 to {DEEPEST}")
    check_sizes(policy, 0.0, **{f"hidden[{number}]": size for number, size in enumerate(hidden)})
