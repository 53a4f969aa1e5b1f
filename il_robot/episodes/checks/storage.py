"""Faults of the files: checksums, missing pieces, metadata that disagrees, recordings that ended early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from il_robot.episodes.attributes import MAX_METADATA_BYTES
from il_robot.episodes.checks.finding import Finding
from il_robot.episodes.columns import array_metadata, columns
from il_robot.episodes.layout import FRAMES_PER_SHARD, GROUP_METADATA
from il_robot.episodes.location import file_size, read_range
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import images_metadata, read_index, shard_path
from il_robot.errors import BadInput


def check_storage(episode: Episode) -> Iterator[Finding]:
    """Every array with its checksum, every shard's index, every ``zarr.json``; frames are checked with the images."""
    info, steps = episode.info, episode.steps
    if episode.recorded.fault and not episode.recorded.recovered:
        yield Finding(episode.id, "episode", "ended-early", f"recording ended early: {episode.recorded.fault}")
    damaged = False
    arrays = [column.path for column in columns(info)] + [f"images/{camera}" for camera in info.camera_names]
    for group in sorted({str(parent) for array in arrays for parent in PurePath(array).parents}):
        yield from _check_metadata(episode, group, GROUP_METADATA)
    for column in columns(info):
        yield from _check_metadata(episode, column.path, array_metadata(column, steps))
        try:
            episode.array(column.path)
        except BadInput as error:
            damaged = True
            yield Finding(episode.id, column.path, "checksum", str(error))
    if damaged:
        return  # The number of steps may be a lie: do not look for so many frames.
    for camera in info.cameras:
        yield from _check_metadata(episode, f"images/{camera.name}", images_metadata(camera, steps))
        for shard in range(-(-steps // FRAMES_PER_SHARD)):
            try:
                read_index(shard_path(episode.path, camera.name, shard))
            except BadInput as error:
                last = min(steps, (shard + 1) * FRAMES_PER_SHARD) - 1
                yield Finding(episode.id, camera.name, "checksum", str(error), shard * FRAMES_PER_SHARD, last)


def _check_metadata(episode: Episode, node: str, expected: dict[str, Any]) -> Iterator[Finding]:
    """``node``: an array or a group, ``.`` for the episode itself."""
    path = episode.path.joinpath(*PurePath(node).parts, "zarr.json")
    stream = "episode" if node == "." else node
    found = _json_of(path)
    if found is None:
        yield Finding(episode.id, stream, "metadata", f"{path}: missing or damaged: zarr cannot read it")
        return
    texts, wanted = _as_text(found), _as_text(expected)
    differing = sorted(key for key in texts.keys() | wanted.keys() if texts.get(key) != wanted.get(key))
    if differing:
        yield Finding(episode.id, stream, "metadata", f"{path}: {', '.join(differing)} not as this format has it")


def _as_text(metadata: dict[str, Any]) -> dict[str, str]:
    """Key by key, for 1, 1.0 and true are the same to Python but not to zarr.

    Users' attributes count for nothing, and neither does what zarr-python adds when it sets one.
    """
    rest = {"storage_transformers": []} | metadata
    if isinstance(rest.get("attributes", {}), dict):
        rest["attributes"] = {}
    if rest.get("fill_value") == 0 and isinstance(rest["fill_value"], float):
        rest["fill_value"] = 0
    return {key: json.dumps(value, sort_keys=True) for key, value in rest.items()}


def _json_of(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(read_range(path, 0, min(file_size(path), MAX_METADATA_BYTES)))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
