"""A LeRobot data set, version 3.0, into episodes. Axes: T steps, J joints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.columns import Column
from il_robot.episodes.conversion import lerobot_layout as layout
from il_robot.episodes.conversion.carried import Facts, as_column, carried_columns, read_facts, restored
from il_robot.episodes.conversion.intake import MAX_STEPS, Incoming, take_in, whole_jpeg
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.video import read_video
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import CameraInfo, EpisodeInfo, JointInfo
from il_robot.errors import BadInput
from il_robot.types import Image

_DAMAGE = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError)
_VECTORS = {
    layout.STATE: "observations/qpos",
    layout.ACTION: "action",
    layout.VELOCITY: "observations/qvel",
    layout.EFFORT: "observations/effort",
    layout.ASKED: "action_asked",
}


@dataclass(frozen=True)
class LerobotSettings:
    """What a LeRobot data set does not say itself."""

    degrees: bool = False
    """Joints are in degrees."""
    gripper_closed: float = 0.0
    """Its value for a closed gripper."""
    gripper_open: float = 1.0
    quality: int = 95


def import_lerobot(
    source: Path, dataset: Path, settings: LerobotSettings, done: Callable[[], object] = lambda: None
) -> tuple[int, int]:
    """Add every episode to ``dataset``; how many were imported, and how many there were.

    Raises BadInput when the data set is damaged or of another version, Fault when the disk fails.
    """
    with _refusing_damage(source):
        reader = _Reader(source, settings)
    imported = 0
    for number in range(len(reader.episodes)):
        with _refusing_damage(source):
            incoming = reader.incoming(number)
        imported += take_in(dataset, incoming)
        done()
    return imported, len(reader.episodes)


@contextmanager
def _refusing_damage(source: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise BadInput(f"{source}: damaged, or not a LeRobot data set: {reason}") from None


class _Reader:
    """The metadata of a data set, and its rows on demand. Raises BadInput or one of _DAMAGE."""

    def __init__(self, source: Path, settings: LerobotSettings) -> None:
        self._parquet = library("pyarrow.parquet")
        self._source = source
        self._settings = settings
        self._info = json.loads((source / layout.INFO).read_text(encoding="utf-8"))
        version = self._info["codebase_version"]
        if version != layout.VERSION:
            raise BadInput(
                f"{source}: LeRobot data of version {version}; this reads {layout.VERSION}: convert it first"
            )
        self._features: dict[str, Any] = self._info["features"]
        self._fps = float(self._info["fps"])
        self._names = _joint_names(self._features[layout.STATE], self._features[layout.ACTION])
        files = sorted((source / "meta/episodes").glob("*/*.parquet"))
        columns = [c for c in self._parquet.read_schema(files[0]).names if not c.startswith("stats/")]
        rows = [row for file in files for row in self._parquet.read_table(file, columns=columns).to_pylist()]
        self.episodes: list[dict[str, Any]] = sorted(rows, key=lambda row: int(row["episode_index"]))
        self._cameras = tuple(self._camera(key) for key in self._camera_keys())
        self._joints = self._described_joints()
        self._facts = self._read_facts()

    def incoming(self, number: int) -> Incoming:
        episode = self.episodes[number]
        facts = self._facts.get(int(episode["episode_index"]))
        carried = {} if facts is None else self._carried(facts)
        keys = [key for key in (*_VECTORS, *carried) if key in self._features]
        embedded = [key for key in self._features if self._features[key]["dtype"] == "image"]
        table = self._rows(episode, [*keys, *embedded])
        steps = int(episode["length"])
        if not 0 < steps <= MAX_STEPS or table.num_rows != steps:
            raise BadInput(f"{self._source}: episode {number} has {table.num_rows} rows, its length says {steps}")
        columns = {_VECTORS[key]: self._vector(table, key) for key in keys if key in _VECTORS}
        columns |= {
            column.path: as_column(np.array(table[key].to_pylist()), column, steps, f"{self._source}: {key}")
            for key, column in carried.items()
        }
        origin = {"format": "lerobot", "dataset": self._source.name, "episode": number}
        if facts is not None:
            info = restored(facts, self._cameras, origin, str(self._source))
            frames = self._frames(episode, table, steps, info.cameras)
            return Incoming(f"episode_{number:06d}", info, columns, frames, facts.outcome)
        two_arms = all(name.startswith(("left_", "right_")) for name in self._names)
        info = EpisodeInfo(
            fps=self._fps,
            joints=self._joints,
            followers=("follower_left", "follower_right") if two_arms else ("follower",),
            cameras=self._cameras,
            rig=str(self._info.get("robot_type") or ""),
            task=", ".join(map(str, episode["tasks"])),
            configuration={"imported": origin},
            synthetic_stamps=True,
        )
        return Incoming(f"episode_{number:06d}", info, columns, self._frames(episode, table, steps, self._cameras))

    def _camera_keys(self) -> list[str]:
        return [key for key, feature in self._features.items() if feature["dtype"] in ("image", "video")]

    def _camera(self, key: str) -> CameraInfo:
        height, width = self._features[key]["shape"][:2]
        return CameraInfo(_plain(key.removeprefix(layout.IMAGES)), height, width, self._settings.quality)

    def _rows(self, episode: dict[str, Any], columns: Sequence[str]) -> Any:
        place = {"chunk_index": int(episode["data/chunk_index"]), "file_index": int(episode["data/file_index"])}
        file = self._source / layout.DATA.format(**place)
        filters = [("episode_index", "=", int(episode["episode_index"]))]
        return self._parquet.read_table(file, columns=[*columns, "frame_index"], filters=filters).sort_by("frame_index")

    def _vector(self, table: Any, key: str) -> NDArray[np.float32]:
        """(T, J) in our units."""
        values = np.array(table[key].to_pylist(), np.float32).reshape(table.num_rows, len(self._names))
        if key == layout.EFFORT:
            return values
        scale, closed = np.ones(len(self._names), np.float32), np.zeros(len(self._names), np.float32)
        for j, name in enumerate(self._names):
            if _is_gripper(name):
                closed[j] = self._settings.gripper_closed
                scale[j] = self._settings.gripper_open - self._settings.gripper_closed
            elif self._settings.degrees:
                scale[j] = np.rad2deg(1.0)
        return (values - (0 if key == layout.VELOCITY else closed)) / scale

    def _described_joints(self) -> tuple[JointInfo, ...]:
        """LeRobot stores no limits: they are what the data set reaches, states and actions, and how fast."""
        lower, upper, speed = (np.full(len(self._names), start) for start in (np.inf, -np.inf, 1e-3))
        for episode in self.episodes:
            table = self._rows(episode, [layout.STATE, layout.ACTION])
            for key in (layout.STATE, layout.ACTION):
                values = self._vector(table, key)
                lower, upper = np.minimum(lower, values.min(0)), np.maximum(upper, values.max(0))
                speed = np.maximum(speed, np.abs(np.diff(values, axis=0)).max(0, initial=0) * self._fps)
        grippers = [_is_gripper(name) for name in self._names]
        lower, upper = np.where(grippers, 0.0, lower), np.where(grippers, 1.0, np.maximum(upper, lower + 1e-3))
        bounds = zip(self._names, grippers, lower.tolist(), upper.tolist(), speed.tolist(), strict=True)
        return tuple(JointInfo(name, "opening" if g else "rad", low, up, fast) for name, g, low, up, fast in bounds)

    def _read_facts(self) -> dict[int, Facts]:
        """Episode -> what our own export told of it; nothing where the data set is somebody else's."""
        file = self._source / layout.FACTS
        if not file.exists():
            return {}
        told = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(told, list):
            raise BadInput(f"{file}: damaged: not a list of episodes")
        return {number: read_facts(one, str(file)) for number, one in enumerate(told)}

    def _carried(self, facts: Facts) -> dict[str, Column]:
        """Feature -> array, for those beside LeRobot's own. Raises BadInput where these are other joints."""
        if facts.info.joint_names != self._names:
            told = ", ".join(facts.info.joint_names)
            raise BadInput(f"{self._source / layout.FACTS}: tells of other joints than the data set has: {told}")
        return {layout.carried_feature(c.path): c for c in carried_columns(facts.info, layout.OWN)}

    def _frames(
        self, episode: dict[str, Any], table: Any, steps: int, cameras: Sequence[CameraInfo]
    ) -> Iterator[Sequence[bytes | None]]:
        keys = {camera.name: key for camera, key in zip(self._cameras, self._camera_keys(), strict=True)}
        streams = [self._stream(keys[camera.name], camera, episode, table, steps) for camera in cameras]
        for _ in range(steps):
            with _refusing_damage(self._source):
                frames = [next(stream) for stream in streams]
            yield frames

    def _stream(
        self, key: str, camera: CameraInfo, episode: dict[str, Any], table: Any, steps: int
    ) -> Iterator[bytes | None]:
        if self._features[key]["dtype"] == "image":
            for t in range(steps):
                yield self._embedded(table[key][t].as_py(), camera)
            return
        place = {name: int(episode[f"videos/{key}/{name}"]) for name in ("chunk_index", "file_index")}
        file = self._source / layout.VIDEO.format(video_key=key, **place)
        for image in read_video(file, float(episode[f"videos/{key}/from_timestamp"]), self._fps, steps):
            yield self._encoded(image, camera)

    def _embedded(self, stored: dict[str, Any], camera: CameraInfo) -> bytes | None:
        """A JPEG of the right size as it is; anything else that is an image, encoded."""
        raw = stored.get("bytes")
        if not raw:
            return None
        if raw[:2] == b"\xff\xd8":
            return whole_jpeg(raw, camera)
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        return None if pixels is None else self._encoded(np.ascontiguousarray(pixels[:, :, ::-1], np.uint8), camera)

    def _encoded(self, image: Image | None, camera: CameraInfo) -> bytes | None:
        if image is None or image.shape != (camera.height, camera.width, 3):
            return None
        return encode(image, self._settings.quality)


def _joint_names(state: dict[str, Any], action: dict[str, Any]) -> tuple[str, ...]:
    """As the features name them: a list, or a dictionary with one; else numbers."""
    if state["shape"] != action["shape"] or len(state["shape"]) != 1:
        raise BadInput(f"{layout.STATE} {state['shape']} and {layout.ACTION} {action['shape']} are not the same joints")
    names = state.get("names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    if not isinstance(names, list) or len(names) != state["shape"][0]:
        return tuple(f"joint_{j}" for j in range(state["shape"][0]))
    return tuple(_plain(str(name)) for name in names)


def _is_gripper(name: str) -> bool:
    return "gripper" in name


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", name).lstrip("_.-") or "unnamed"
