"""The lines of ``metrics.jsonl`` once more, for TensorBoard (extra ``tensorboard``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from il_robot.errors import BadInput

FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Raises BadInput when TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise BadInput("--tensorboard needs TensorBoard: pip install 'il-robot[tensorboard]'") from None


class Board:
    """A :class:`il_robot.training.journal.Listener` that writes event files into the run's folder."""

    def __init__(self, run: Path, resumed_at: int) -> None:
        """What an earlier part of the run wrote of step ``resumed_at`` and later is no longer shown.

        :func:`check_tensorboard` tells beforehand when TensorBoard is not installed.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run / FOLDER), purge_step=resumed_at or None)

    def hear(self, line: Mapping[str, float]) -> None:
        """Every number of a line, under its own name; the loss's parts and all speeds are curves of their own."""
        for name, value in line.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(line["step"]))

    def close(self) -> None:
        self._writer.close()
