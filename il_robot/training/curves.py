"""Loss curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from il_robot.errors import BadInput, Fault

_DRAWN = {"loss": "training loss", "validation": "validation (mean absolute error)", "held": "held in simulation"}


def check_picture(path: Path) -> None:
    """Raises BadInput when curves cannot be drawn to ``path``: no .png file, or no folder for it."""
    if path.suffix != ".png" or path.is_dir():
        raise BadInput(f"{path}: allowed: a .png file")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: no such folder: {path.parent}")


def draw_curves(metrics: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Run -> the lines of its metrics, drawn side by side: one panel for each thing that was measured.

    Raises BadInput as :func:`check_picture` does, and Fault when it cannot be written.
    """
    check_picture(path)
    kinds = [key for key in _DRAWN if any(key in line for lines in metrics.values() for line in lines)] or ["loss"]
    figure = Figure(figsize=(5.0 * len(kinds), 3.6 + 0.2 * len(metrics)), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for key, axes in zip(kinds, panels, strict=True):
        for number, (name, lines) in enumerate(metrics.items()):
            # Ten colours, then the same ones dashed, dotted ...
            style = ("-", "--", ":", "-.")[number // 10 % 4]
            points = [(line["step"], line[key]) for line in lines if key in line]
            steps, values = zip(*points, strict=True) if points else ((), ())
            axes.plot(steps, values, style, label=name, lw=1.2, marker="." if len(points) < 30 else None)
        axes.set(xlabel="step", title=_DRAWN[key])
        if key == "held":
            axes.set_ylim(-0.02, 1.02)
        elif all(line[key] > 0 for lines in metrics.values() for line in lines if key in line):
            # The loss of a policy that models a density may be below 0.
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", fontsize=8, frameon=False)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror}") from None
