"""What another format has no place for, carried along in it under names of ours: an export comes back whole.

Carried are the facts of an episode (its ``info`` and its outcome) as one JSON text, and the arrays that the format does
not know, under their own paths. Programs of the format's own do not look at them. Axes: T steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cattrs
import numpy as np
from numpy.typing import NDArray

from il_robot import strict_yaml
from il_robot.episodes.columns import Column, columns
from il_robot.episodes.layout import ATTRIBUTE, FORMAT, VERSION, CameraInfo, EpisodeInfo, Outcome, Recorded
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput

NAME = ATTRIBUTE
"""Of the group, file or record that carries them."""


@dataclass(frozen=True)
class Facts:
    """What is known of an episode beside its arrays."""

    info: EpisodeInfo
    outcome: Outcome


def facts_of(episode: Episode) -> dict[str, Any]:
    """The facts, as JSON can hold them."""
    described = {"info": cattrs.unstructure(episode.info), "recorded": cattrs.unstructure(episode.recorded)}
    return {"format": FORMAT, "version": VERSION, "episode": episode.id, **described}


def read_facts(stored: str | bytes | Mapping[str, Any], where: str) -> Facts:
    """The facts from JSON. Raises BadInput, which begins with ``where``."""
    data: Any = stored
    if isinstance(stored, str | bytes):
        try:
            data = json.loads(stored)
        except (ValueError, RecursionError):
            raise BadInput(f"{where}: damaged: not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
        raise BadInput(f"{where}: not of {FORMAT} version {VERSION}")
    info = strict_yaml.structure(data.get("info"), EpisodeInfo, f"{where}: info")
    recorded = strict_yaml.structure(data.get("recorded"), Recorded, f"{where}: recorded")
    return Facts(info, recorded.outcome)


def carried_columns(info: EpisodeInfo, own: Sequence[str]) -> tuple[Column, ...]:
    """The arrays of such an episode but those the format has a place for."""
    return tuple(column for column in columns(info) if column.path not in own)


def as_column(values: NDArray[Any], column: Column, steps: int, where: str) -> NDArray[Any]:
    """``values`` as the array ``column``. Raises BadInput when they do not fit into it."""
    shape, wanted = (steps, *column.shape), np.dtype(column.dtype).name
    if values.size != np.prod(shape, dtype=int) or values.dtype.kind not in "iuf":
        raise BadInput(f"{where}: {column.path} is {values.dtype} {values.shape}, not {wanted} {shape}")
    fitting = values.reshape(shape).astype(column.dtype)
    if column.dtype != "<f4" and not np.array_equal(fitting, values.reshape(shape)):
        raise BadInput(f"{where}: {column.path} holds numbers that are not {wanted}")
    return fitting


def restored(facts: Facts, cameras: Sequence[CameraInfo], origin: Mapping[str, Any], where: str) -> EpisodeInfo:
    """The facts of an episode that comes back with these images, its cameras in their first order.

    Raises BadInput when the images are not of the cameras the facts tell of.
    """
    found = {camera.name: camera for camera in cameras}
    told = {camera.name: (camera.height, camera.width) for camera in facts.info.cameras}
    if told != {name: (camera.height, camera.width) for name, camera in found.items()}:
        raise BadInput(f"{where}: its images are of {found}, what is told of them is {told}: not as it was exported")
    ordered = tuple(found[name] for name in facts.info.camera_names)
    configuration = {**facts.info.configuration, "imported": dict(origin)}
    return replace(facts.info, cameras=ordered, configuration=configuration)
