"""Counts what the cameras did not deliver, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.layout import EpisodeInfo, Losses, Validity


class Tally:
    """Running losses of every camera of an episode."""

    def __init__(self, info: EpisodeInfo) -> None:
        self._cameras = info.camera_names
        self._first = len(info.followers)
        self._missing = [0] * len(self._cameras)
        self._repeated = [0] * len(self._cameras)
        self._skipped = [0] * len(self._cameras)
        self._sequence: list[int | None] = [None] * len(self._cameras)
        self._gap = [0] * len(self._cameras)
        """Steps missing since the last fresh frame: they stand for as many frames of the camera's count."""

    def add(self, row: NDArray[Any] | np.void) -> None:
        """Count one step (a row of the journal, as :func:`row_dtype` describes it)."""
        if not self._cameras:
            return
        valid = row["control/valid"].reshape(-1)[self._first :].tolist()
        sequences = row["time/camera_sequence"].reshape(-1).tolist()
        for c, (state, sequence) in enumerate(zip(valid, sequences, strict=True)):
            if state == Validity.MISSING:
                self._missing[c] += 1
                self._gap[c] += 1
            elif state == Validity.REPEATED:
                self._repeated[c] += 1
            else:
                before = self._sequence[c]
                if before is not None:
                    self._skipped[c] += max(0, sequence - before - 1 - self._gap[c])
                self._sequence[c], self._gap[c] = sequence, 0

    @property
    def losses(self) -> dict[str, Losses]:
        """Camera name -> its losses so far."""
        counts = zip(self._cameras, self._missing, self._repeated, self._skipped, strict=True)
        return {name: Losses(missing, repeated, skipped) for name, missing, repeated, skipped in counts}
