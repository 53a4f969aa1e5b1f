"""Names, paths and pieces of a LeRobot data set, version 3.0 (huggingface/lerobot, from 0.4 on)."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CHUNK_FILES = 1000
"""Files in a chunk; here an episode is a file of its own."""

STATE, ACTION = "observation.state", "action"
VELOCITY, EFFORT = "observation.velocity", "observation.effort"
IMAGES = "observation.images."
ASKED = "control.action_asked"
"""Not LeRobot's own: who drove, see docs/episode-format.md. Its training ignores them."""
OWN = ("observations/qpos", "observations/qvel", "observations/effort", "action", "action_asked")
"""What the features above hold; the other arrays become features named after their paths."""
FACTS = "meta/il_robot.json"
"""Not LeRobot's own: the facts of every episode, by its index."""


def carried_feature(path: str) -> str:
    """``control.mode`` for ``control/mode``, ``objects.cube`` for ``observations/objects/cube``.

    A name that begins with ``observation`` would be an input to LeRobot's policies.
    """
    return path.removeprefix("observations/").replace("/", ".")


INDEXES = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""What every LeRobot data set has per frame."""

Images: TypeAlias = Literal["h264", "av1", "jpeg"]
CODECS = {"h264": ("libx264", {"crf": "18", "bf": "0"}), "av1": ("libsvtav1", {"crf": "30", "preset": "10"})}
"""Encoder and options; every second frame is a key frame, as LeRobot does it, so that single frames are found fast."""
GOP = 2


def vector_feature(names: tuple[str, ...]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def plain_feature(dtype: str, length: int = 1) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [length], "names": None}


def image_feature(height: int, width: int, fps: int, images: Images) -> dict[str, Any]:
    feature: dict[str, Any] = {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]}
    if images == "jpeg":
        return feature
    facts = {
        "video.height": height,
        "video.width": width,
        "video.codec": images,
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
    }
    return {**feature, "dtype": "video", "info": facts}


def tasks_metadata() -> dict[bytes, bytes]:
    """Arrow metadata that make pandas take the column ``task`` as the index, which is where LeRobot looks for it."""

    def column(name: str, pandas_type: str, numpy_type: str) -> dict[str, Any]:
        types = {"pandas_type": pandas_type, "numpy_type": numpy_type}
        return {"name": name, "field_name": name, "metadata": None, **types}

    columns = [column("task_index", "int64", "int64"), column("task", "unicode", "object")]
    names = [{"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}]
    described = {"index_columns": ["task"], "column_indexes": names, "columns": columns, "pandas_version": "2.0.0"}
    return {b"pandas": json.dumps(described).encode()}
