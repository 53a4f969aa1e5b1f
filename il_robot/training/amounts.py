"""How figures of a run are written for a person: losses, shares, times, each alone or with its interval."""

from __future__ import annotations

import math


def loss_text(value: float) -> str:
    """Four digits that count, zeros too, so that a column's figures are equally exact."""
    return f"{value:#.4g}".removesuffix(".")


def share_text(value: float) -> str:
    return f"{value:.0%}"


def time_text(seconds: float) -> str:
    """In seconds, minutes or hours, whichever is read most easily."""
    scale, unit = _unit(seconds)
    return f"{seconds / scale:.1f} {unit}" if scale > 1 else f"{seconds:#.2g}".removesuffix(".") + f" {unit}"


def loss_interval_text(mean: float, half: float) -> str:
    """A mean and half the width of its interval: this with two digits that count, the mean with as many decimals."""
    if not (1e-4 <= abs(mean) < 1e6 and 0 < half < 1e6):
        return f"{mean:.4g} ± {half:.2g}"
    most = max(0, 5 - math.floor(math.log10(abs(mean))))
    decimals = min(max(0, 1 - math.floor(math.log10(half))), most)
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}"


def time_interval_text(mean: float, half: float) -> str:
    """The same of a time in seconds, both in one unit."""
    scale, unit = _unit(mean)
    return f"{loss_interval_text(mean / scale, half / scale)} {unit}"


def _unit(seconds: float) -> tuple[int, str]:
    return (1, "s") if seconds < 60 else (60, "min") if seconds < 3600 else (3600, "h")
