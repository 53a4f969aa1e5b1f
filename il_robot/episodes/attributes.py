"""The root ``zarr.json`` of an episode: the group's attributes, read strictly and replaced atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cattrs

from il_robot import strict_yaml
from il_robot.episodes.layout import ATTRIBUTE, FORMAT, GROUP_METADATA, SUFFIX, VERSION, EpisodeInfo, Recorded
from il_robot.episodes.location import file_size, is_local, read_range
from il_robot.errors import BadInput

MAX_METADATA_BYTES = 16 * 1024 * 1024
"""A larger zarr.json is not one of ours: refuse before it fills the memory."""


def read_attributes(episode: Path) -> tuple[EpisodeInfo, Recorded]:
    """The facts in ``episode/zarr.json``. Raises BadInput when it is not an episode this version reads."""
    _refuse_dataset(episode)
    attributes = _own_attributes(episode, _read_json(episode / "zarr.json"))
    where = f"{episode}: attribute {ATTRIBUTE}"
    version = attributes.get("version")
    if not isinstance(version, int) or version < 1:
        raise BadInput(f"{where}: version {version!r} is not a format version")
    if version > VERSION:
        raise BadInput(f"{episode}: episode format {version} is newer than this il-robot reads ({VERSION}): update it")
    info = strict_yaml.structure(attributes.get("info"), EpisodeInfo, f"{where}: info")
    recorded = strict_yaml.structure(attributes.get("recorded"), Recorded, f"{where}: recorded")
    if recorded.steps < 0:
        raise BadInput(f"{where}: steps {recorded.steps} must be 0 or more")
    return info, recorded


def write_attributes(episode: Path, info: EpisodeInfo, recorded: Recorded) -> None:
    """Replace ``episode/zarr.json`` in one step; the user's own attributes stay."""
    path = episode / "zarr.json"
    group = _read_json(path) if path.exists() else {}
    attributes = group.get("attributes", {}) if isinstance(group, dict) else {}
    attributes[ATTRIBUTE] = {
        "format": FORMAT,
        "version": VERSION,
        "info": cattrs.unstructure(info),
        "recorded": cattrs.unstructure(recorded),
    }
    write_json(path, {**GROUP_METADATA, "attributes": attributes})


def write_json(path: Path, data: Any) -> None:
    """Write through a temporary file and a rename: a reader sees the old text or the new, never a part."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")
    part.replace(path)


def _refuse_dataset(folder: Path) -> None:
    """Raises BadInput for a folder of episodes, which names the first."""
    if is_local(folder) and not (folder / "zarr.json").exists():
        first = min(folder.glob(f"[!.]*{SUFFIX}"), default=None)
        if first is not None:
            raise BadInput(f"{folder}: a dataset, not an episode: give one of them, such as {first}")


def _read_json(path: Path) -> Any:
    try:
        raw = read_range(path, 0, min(file_size(path), MAX_METADATA_BYTES + 1))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}: not an episode") from None
    if len(raw) > MAX_METADATA_BYTES:
        raise BadInput(f"{path}: larger than {MAX_METADATA_BYTES} bytes: not an episode's")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise BadInput(f"{path}: damaged: not JSON") from None


def _own_attributes(episode: Path, group: Any) -> dict[str, Any]:
    attributes = group.get("attributes") if isinstance(group, dict) else None
    own = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        raise BadInput(f"{episode}: a zarr group perhaps, but not an il-robot episode")
    return own
