"""What happened while training: ``metrics.jsonl``, one JSON object a line, and ``curve.png`` drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from il_robot.errors import Fault

METRICS = "metrics.jsonl"
CURVE = "curve.png"


class Listener(Protocol):
    """Hears every line that is written."""

    def hear(self, line: Mapping[str, float]) -> None: ...


class Journal:
    """Appends to ``metrics.jsonl`` of a run."""

    def __init__(self, run: Path, resumed_at: int, listener: Listener | None = None) -> None:
        """Lines of step ``resumed_at`` and later, left by a run that was cut short, are dropped."""
        self._path = run / METRICS
        self._listener = listener
        kept = [line for line in read_metrics(run) if line["step"] < resumed_at]
        self._put("w", kept)

    def write(self, **values: float) -> None:
        """Raises Fault on a full disk."""
        self._put("a", [values])
        if self._listener is not None:
            self._listener.hear(values)

    def _put(self, mode: Literal["a", "w"], lines: Sequence[Mapping[str, Any]]) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
        except OSError as error:
            raise Fault(f"{self._path}: cannot be written: {error.strerror}") from None


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
        self._count, self._sums = int(kept["count"]), {str(name): float(x) for name, x in kept["sums"].items()}


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
