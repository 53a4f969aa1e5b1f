"""Loss curves of one run or several in one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from il_robot.errors import BadInput, Fault

_VALIDATION, _HELD = "validation (mean absolute error)", "held in simulation"
_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (10, 3)))
"""Ten colours, then the same ones dashed, dotted ..."""
_MANY = 12
"""More lines are drawn thinner."""


@dataclass(frozen=True)
class Curve:
    """What was measured of one run."""

    name: str
    """What the legend calls it. Curves of one name, such as the seeds of one setting, look the same."""
    policy: str
    lines: Sequence[Mapping[str, Any]]
    """Of its metrics."""

    def points(self, key: str) -> list[tuple[int, float]]:
        """(step, value) of each line that has ``key``."""
        return [(line["step"], line[key]) for line in self.lines if key in line]


@dataclass(frozen=True)
class _Panel:
    title: str
    key: str
    curves: Sequence[Curve]


def check_picture(path: Path) -> None:
    """Raises BadInput when curves cannot be drawn to ``path``: no .png file, or no folder for it."""
    if path.suffix != ".png" or path.is_dir():
        raise BadInput(f"{path}: allowed: a .png file")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: no such folder: {path.parent}")


def draw_curves(curves: Sequence[Curve], path: Path) -> None:
    """A panel for each thing that was measured, and one legend for all.

    Raises BadInput as :func:`check_picture` does, and Fault when it cannot be written.
    """
    check_picture(path)
    panels = _panels(curves)
    columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    width, height = (5.0, 3.6) if len(panels) <= 3 else (4.0, 3.0)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    looks = {name: number for number, name in enumerate(dict.fromkeys(curve.name for curve in curves))}
    places = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, axes in zip(panels, places, strict=False):
        _draw(panel, axes, looks)
    for spare in places[len(panels) :]:
        spare.set_axis_off()
    figure.set_figheight(height * rows + 0.2 * _add_legend(figure))
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror}") from None


def _panels(curves: Sequence[Curve]) -> list[_Panel]:
    """Losses of different policies are different measures, so each policy has a panel; the others all can share."""
    policies = dict.fromkeys(curve.policy for curve in curves if curve.points("loss"))
    panels = [
        _Panel(
            f"{policy}: training loss" if len(policies) > 1 else "training loss",
            "loss",
            [curve for curve in curves if curve.policy == policy],
        )
        for policy in policies
    ]
    for title, key in ((_VALIDATION, "validation"), (_HELD, "held")):
        if any(curve.points(key) for curve in curves):
            panels.append(_Panel(title, key, curves))
    return panels or [_Panel("training loss", "loss", curves)]


def _draw(panel: _Panel, axes: Axes, looks: Mapping[str, int]) -> None:
    for curve in panel.curves:
        points = curve.points(panel.key)
        steps, values = zip(*points, strict=True) if points else ((), ())
        look = _look(looks[curve.name]) | {"lw": 1.2 if len(panel.curves) <= _MANY else 0.8}
        axes.plot(steps, values, label=curve.name.replace("$", r"\$"), marker="." if len(points) < 30 else None, **look)
    axes.set(xlabel="step", title=panel.title)
    axes.grid(alpha=0.3)
    drawn = [value for curve in panel.curves for _, value in curve.points(panel.key)]
    if panel.key == "held":
        axes.set_ylim(-0.02, 1.02)
    elif all(value > 0 for value in drawn):
        axes.set_yscale("log")
    else:
        # The loss of a policy that models a density may be below 0.
        _leave_out_the_rare(axes, drawn)


def _look(number: int) -> dict[str, Any]:
    return {"color": f"C{number % 10}", "linestyle": _STYLES[number // 10 % len(_STYLES)]}


def _leave_out_the_rare(axes: Axes, values: Sequence[float]) -> None:
    """Ends a linear scale where nearly all values do, if the first few, say, are so much larger that all others would
    lie flat below them."""
    low, usual, high = np.quantile(values, (0, 0.95, 1)).tolist()
    if high - low > 3 * (usual - low) > 0:
        axes.set_ylim(low - 0.1 * (usual - low), usual + 0.5 * (usual - low))


def _add_legend(figure: Figure) -> int:
    """Below the panels, in as many columns as fit side by side; how many rows that makes."""
    lines = {str(line.get_label()): line for axes in reversed(figure.axes) for line in reversed(axes.lines)}
    handles = list(reversed(lines.values()))
    options: dict[str, Any] = {"handles": handles, "loc": "outside lower left", "fontsize": 8, "frameon": False}
    alone = figure.legend(**options)
    gap = 2 * 8 / 72 * figure.dpi  # between columns matplotlib leaves twice the size of the font
    columns = max(1, int(figure.bbox.width // (alone.get_window_extent().width + gap)))
    alone.remove()
    rows = math.ceil(len(handles) / columns)
    # In rows as full as the first one.
    figure.legend(**options, ncols=math.ceil(len(handles) / rows))
    return rows
