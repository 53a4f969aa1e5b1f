"""What a network's configuration may ask for, so that a damaged file is one line and not a crash in torch."""

from __future__ import annotations

from il_robot.errors import BadInput

LARGEST = 100_000
"""No width, count or chunk of a network that could be trained is larger."""


def check_sizes(policy: str, dropout: float, **sizes: int) -> None:
    """Raises BadInput when a size is not in 1 .. LARGEST, or ``dropout`` is not in [0, 1)."""
    for name, size in sizes.items():
        if not 1 <= size <= LARGEST:
            raise BadInput(f"{policy}: {name} {size}; allowed: 1 to {LARGEST}")
    if not 0 <= dropout < 1:
        raise BadInput(f"{policy}: dropout {dropout}; allowed: 0 to below 1")


def check_hidden(policy: str, hidden: tuple[int, ...]) -> None:
    """Raises BadInput when the width of a perceptron's hidden layer is not in 1 .. LARGEST."""
    check_sizes(policy, 0.0, **{f"hidden[{number}]": size for number, size in enumerate(hidden)})
