"""What happened while training: ``metrics.jsonl``, one JSON object a line, and ``curve.png`` drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

METRICS = "metrics.jsonl"
CURVE = "curve.png"


class Journal:
    """Appends to ``metrics.jsonl`` of a run."""

    def __init__(self, run: Path, resumed_at: int) -> None:
        """Lines of step ``resumed_at`` and later, left by a run that was cut short, are dropped."""
        self._path = run / METRICS
        kept = [line for line in read_metrics(run) if line["step"] < resumed_at]
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def write(self, **values: float) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``; a last line cut short by a crash is left out."""
    path = run / METRICS
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def draw_curve(run: Path) -> Path:
    """``curve.png``: training and validation loss over the steps, logarithmic."""
    lines = read_metrics(run)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for key, label in (("loss", "training"), ("validation", "validation")):
        points = [(line["step"], line[key]) for line in lines if key in line]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="." if key == "validation" else None)
    axes.set(xlabel="step", ylabel="loss (normalised)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    path = run / CURVE
    figure.savefig(path, dpi=120)
    return path
