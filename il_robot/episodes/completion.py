"""The last step of an episode, taken by the writer or by recovery: rows become arrays, the group says complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from il_robot.episodes.attributes import write_attributes, write_json
from il_robot.episodes.columns import chunk_path, columns, write_arrays, write_chunk
from il_robot.episodes.layout import GROUP_METADATA, RESERVE, ROWS_PER_CHUNK, EpisodeInfo, Recorded
from il_robot.episodes.shard import images_metadata


def prepare(episode: Path, info: EpisodeInfo) -> None:
    """Make the folders of all arrays and the groups around them, so that completing has little left to do."""
    paths = [Path(column.path) for column in columns(info)] + [Path("images", name) for name in info.camera_names]
    for column in columns(info):
        chunk_path(episode, column, 0).parent.mkdir(parents=True, exist_ok=True)
    for group in sorted({parent for path in paths for parent in path.parents[:-1]}):
        (episode / group).mkdir(exist_ok=True)
        write_json(episode / group / "zarr.json", {**GROUP_METADATA, "attributes": {}})


def complete(episode: Path, info: EpisodeInfo, recorded: Recorded, rest: NDArray[Any]) -> None:
    """Write what makes a complete episode out of full chunks and ``rest``, the rows after them; once prepared."""
    (episode / RESERVE).unlink(missing_ok=True)
    if len(rest):
        write_chunk(episode, info, recorded.steps // ROWS_PER_CHUNK, rest)
    write_arrays(episode, info, recorded.steps)
    for camera in info.cameras:
        write_json(episode / "images" / camera.name / "zarr.json", images_metadata(camera, recorded.steps))
    write_attributes(episode, info, recorded)


def sync_folder(folder: Path) -> None:
    """fsync every file and folder in ``folder``, and the folder above, which holds its name."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
