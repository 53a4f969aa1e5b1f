"""What happened while training: ``metrics.jsonl``, one JSON object a line, and ``curve.png`` drawn from it.

A line with ``loss`` is of the training step with its number, counted from 0, and of those since the line before; every
other line is of the weights after as many steps.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from il_robot.errors import BadInput, Fault
from il_robot.whole_file import write_whole

METRICS = "metrics.jsonl"
LARGEST = sys.float_info.max
CURVE = "curve.png"


class Listener(Protocol):
    """Hears every line that is written."""

    def hear(self, line: Mapping[str, float]) -> None: ...


class Journal:
    """Appends to ``metrics.jsonl`` of a run."""

    def __init__(self, run: Path, resumed_at: int, listener: Listener | None = None) -> None:
        """Goes on after ``resumed_at`` steps; lines of what came later, in a run that was cut short, are dropped.

        So is what is damaged: it keeps no run from being trained on. ``listener`` hears first what is kept: it may not
        have been there when that was written.
        """
        self._path = run / METRICS
        self._listener = listener
        kept = [line for line in _finite(map(_line, _texts(self._path))) if steps_done(line) <= resumed_at]
        self._begin(kept)
        if listener is not None:
            for line in kept:
                listener.hear(line)

    def write(self, **values: float) -> None:
        """Raises Fault on a full disk."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")
        except OSError as error:
            raise Fault(f"{self._path}: cannot be written: {error.strerror}") from None
        if self._listener is not None:
            self._listener.hear(values)

    def _begin(self, lines: Sequence[Mapping[str, Any]]) -> None:
        write_whole(self._path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def steps_done(line: Mapping[str, Any]) -> int:
    """How many steps a line of ``metrics.jsonl`` tells of."""
    return int(line["step"]) + ("loss" in line)


class Averages:
    """What was measured since the last line, so that a line tells of all its steps and not of one batch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def take(self) -> dict[str, float]:
        """The means of what was added; begins anew."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means

    def dumps(self) -> str:
        """Everything, as text, for a run that goes on later."""
        return json.dumps({"count": self._count, "sums": self._sums})

    def loads(self, text: str) -> None:
        """Puts back what :meth:`dumps` gave. Raises ValueError, KeyError or TypeError for something else."""
        kept = json.loads(text)
        self._count, self._sums = int(kept["count"]), {str(name): float(x) for name, x in dict(kept["sums"]).items()}


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``.

    One whose numbers are not finite is left out, and so is the last one where a crash cut it short.

    Raises BadInput when it cannot be read, or has a line that no training wrote.
    """
    path = run / METRICS
    texts = _texts(path)
    lines = [_line(text) for text in texts]
    for number, line in enumerate(lines[:-1], 1):  # what follows the last line's end was cut short, or is nothing
        if line is None and texts[number - 1].strip():
            raise BadInput(f"{path}: damaged: line {number} is not a JSON object of numbers with a step")
    return _finite(lines)


def _texts(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None


def _finite(lines: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Those that hold finite numbers of a step that there can be."""
    there = [line for line in lines if line is not None]
    return [line for line in there if line["step"] >= 0 and all(abs(value) <= LARGEST for value in line.values())]


def _line(text: str) -> dict[str, Any] | None:
    """None for what is none of numbers and a step."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or type(line.get("step")) is not int:
        return None
    return line if all(type(value) in (int, float) for value in line.values()) else None
