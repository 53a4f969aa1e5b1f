"""The lines of ``metrics.jsonl`` once more, for TensorBoard (extra ``tensorboard``)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from il_robot.errors import BadInput, Fault

FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Raises BadInput when TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise BadInput("--tensorboard needs TensorBoard: pip install 'il-robot[tensorboard]'") from None


class Board:
    """A :class:`il_robot.training.journal.Listener` that writes event files into the run's folder."""

    def __init__(self, run: Path) -> None:
        """It is to hear the run from its first line: what earlier parts of the run wrote is no longer shown.

        :func:`check_tensorboard` tells beforehand when TensorBoard is not installed.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._folder = run / FOLDER
        self._writer = SummaryWriter(str(self._folder), purge_step=0)
        self._before = threading.excepthook
        threading.excepthook = self._unless_of_the_disk

    def hear(self, line: Mapping[str, float]) -> None:
        """Every number of a line, under its own name; the loss's parts and all speeds are curves of their own.

        Raises Fault on a full disk, though not before some lines later.
        """
        with self._told():
            for name, value in line.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(line["step"]))

    def close(self) -> None:
        """Writes what is left. Raises Fault on a full disk."""
        try:
            with self._told():
                self._writer.close()
        finally:
            threading.excepthook = self._before

    def _unless_of_the_disk(self, failed: threading.ExceptHookArgs) -> None:
        # TensorBoard writes in a thread of its own, and hands the error over to whoever writes next.
        if not issubclass(failed.exc_type, OSError):
            self._before(failed)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Fault(f"{self._folder}: cannot be written: {error.strerror}") from None
