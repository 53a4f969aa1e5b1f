"""What our own export carries in an ALOHA file beside the original's arrays, on its way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.conversion.aloha_gripper import GRIPPERS
from il_robot.episodes.conversion.aloha_layout import FACTS, GRIPPERS_KEY, OWN
from il_robot.episodes.conversion.carried import NAME, Facts, as_column, carried_columns, read_facts
from il_robot.errors import BadInput

_MAX_FACTS = 16 * 1024 * 1024
"""Bytes; more is damage."""


@dataclass(frozen=True)
class AlohaCarried:
    """Facts and arrays, and whose constants scaled the observed grippers."""

    facts: Facts
    columns: dict[str, NDArray[Any]]
    grippers: str


def read_carried(root: Any, array: Callable[[str], Any], steps: int, file: Path) -> AlohaCarried | None:
    """What ``root`` (an h5py File) carries, or None where another program wrote it.

    ``array`` opens the array at a path. Raises BadInput, or what h5py raises for damage.
    """
    if NAME not in root:
        return None
    where = f"{file}: {NAME}"
    stored = root[f"{NAME}/{FACTS}"][()]
    if not isinstance(stored, bytes) or len(stored) > _MAX_FACTS:
        raise BadInput(f"{where}: damaged: its {FACTS} are no text")
    facts = read_facts(stored, where)
    grippers = json.loads(stored).get(GRIPPERS_KEY)
    if grippers not in (*GRIPPERS, "opening"):
        raise BadInput(f"{where}: {GRIPPERS_KEY} {grippers!r} is none of {', '.join(GRIPPERS)} and opening")
    columns = {
        column.path: as_column(np.asarray(array(f"{NAME}/{column.path}")[()]), column, steps, where)
        for column in carried_columns(facts.info, OWN)
    }
    return AlohaCarried(facts, columns, grippers)
