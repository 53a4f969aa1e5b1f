"""What ``meta/info.json`` of a LeRobot data set says: its rate, its features, and where its files lie."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from il_robot.episodes.conversion import lerobot_layout as layout
from il_robot.episodes.conversion.intake import credible_fps
from il_robot.errors import BadInput

_FIELD = re.compile(r"\{(?:video_key|(?:chunk_index|file_index)(?::0?\d?d)?)\}")


@dataclass(frozen=True)
class LerobotInfo:
    """The facts of a whole data set."""

    fps: float
    features: dict[str, Any]
    rig: str
    data_path: str
    """Template of a file of rows, below the data set's folder."""
    video_path: str

    def data_file(self, chunk_index: int, file_index: int) -> str:
        return self.data_path.format(chunk_index=chunk_index, file_index=file_index)

    def video_file(self, key: str, chunk_index: int, file_index: int) -> str:
        return self.video_path.format(video_key=key, chunk_index=chunk_index, file_index=file_index)

    def camera_keys(self) -> list[str]:
        return [key for key, feature in self.features.items() if feature["dtype"] in ("image", "video")]

    def image_size(self, key: str) -> tuple[int, int]:
        """Height and width; the channels may stand first, as in PyTorch. Raises BadInput for another shape."""
        shape, names = tuple(self.features[key]["shape"]), self.features[key].get("names")
        if len(shape) == 3 and all(isinstance(length, int) and length > 0 for length in shape):
            first = str(names[0]).startswith("channel") if isinstance(names, list) and names else shape[2] != 3
            height, width, channels = (*shape[1:], shape[0]) if first else shape
            if channels == 3:
                return height, width
        raise BadInput(f"{key}: shape {list(shape)}, named {names}; allowed: height, width and 3 channels of colour")


def read_info(source: Path) -> LerobotInfo:
    """Raises BadInput for another version, rate or template; KeyError, ValueError, TypeError for damage."""
    file = source / layout.INFO
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise BadInput(f"{file}: damaged: nested too deeply") from None
    version = told["codebase_version"]
    if version != layout.VERSION:
        raise BadInput(f"{source}: LeRobot data of version {version}; this reads {layout.VERSION}: convert it first")
    return LerobotInfo(
        credible_fps(float(told["fps"]), f"{file}: fps"),
        told["features"],
        str(told.get("robot_type") or ""),
        _template(told.get("data_path"), layout.DATA, f"{file}: data_path"),
        _template(told.get("video_path"), layout.VIDEO, f"{file}: video_path"),
    )


def _template(told: Any, default: str, where: str) -> str:
    """``told``, or ``default`` where nothing is told. Raises BadInput for what could lead out of the data set."""
    if told is None:
        return default
    path = PurePosixPath(str(told))
    if path.is_absolute() or ".." in path.parts or re.search("[{}]", _FIELD.sub("", str(told))):
        fields = "{video_key}, {chunk_index:03d}, {file_index:03d}"
        raise BadInput(f"{where} {str(told)[:200]!r}; allowed: a path below the data set with {fields}")
    return str(told)


def joint_names(state: dict[str, Any], action: dict[str, Any]) -> tuple[str, ...]:
    """As the features name them: a list, or a dictionary with one; else numbers."""
    if state["shape"] != action["shape"] or len(state["shape"]) != 1:
        raise BadInput(f"{layout.STATE} {state['shape']} and {layout.ACTION} {action['shape']} are not the same joints")
    names = state.get("names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    if not isinstance(names, list) or len(names) != state["shape"][0]:
        return tuple(f"joint_{j}" for j in range(state["shape"][0]))
    return tuple(plain(str(name)) for name in names)


def is_gripper(name: str) -> bool:
    """Whether a joint of this name is an opening."""
    return "gripper" in name


def plain(name: str) -> str:
    """The name with letters that our own names may have."""
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", name).lstrip("_.-") or "unnamed"
