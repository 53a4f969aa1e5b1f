"""A LeRobot data set, version 3.0, into episodes. Axes: T steps, J joints."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.columns import Column
from il_robot.episodes.conversion import lerobot_layout as layout
from il_robot.episodes.conversion.carried import Facts, as_column, carried_columns, read_facts, restored
from il_robot.episodes.conversion.intake import MAX_STEPS, Incoming, origin, take_in, whole_jpeg
from il_robot.episodes.conversion.lerobot_info import is_gripper, joint_names, plain, read_info
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.video import read_video
from il_robot.episodes.jpeg_codec import encode, size_of
from il_robot.episodes.layout import CameraInfo, EpisodeInfo, JointInfo
from il_robot.errors import BadInput
from il_robot.types import Image

_DAMAGE = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
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
        self._info = read_info(source)
        self._features, self._fps = self._info.features, self._info.fps
        self._names = joint_names(self._features[layout.STATE], self._features[layout.ACTION])
        files = sorted((source / "meta/episodes").glob("*/*.parquet"))
        seen = {f"stats/{key}/{name}" for key in self._info.camera_keys() for name in ("mean", "std")}
        names = self._parquet.read_schema(files[0]).names
        columns = [name for name in names if not name.startswith("stats/") or name in seen]
        rows = [row for file in files for row in self._parquet.read_table(file, columns=columns).to_pylist()]
        self.episodes: list[dict[str, Any]] = sorted(rows, key=lambda row: int(row["episode_index"]))
        self._cameras = tuple(self._camera(key) for key in self._info.camera_keys())
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
            raise BadInput(
                f"{self._source}: episode {number} has {counted(table.num_rows, 'row')}, its length says {steps}"
            )
        columns = {_VECTORS[key]: self._vector(table, key) for key in keys if key in _VECTORS}
        columns |= {
            column.path: as_column(np.array(table[key].to_pylist()), column, steps, f"{self._source}: {key}")
            for key, column in carried.items()
        }
        gripper = [self._settings.gripper_closed, self._settings.gripper_open]
        place = f"{self._source.name}: episode {number}"
        digest = _digest(table, episode)
        imported = origin("lerobot", place, digest, degrees=self._settings.degrees, gripper=gripper)
        if facts is not None:
            info = restored(facts, self._cameras, imported, str(self._source))
            frames = self._frames(episode, table, steps, info.cameras)
            return Incoming(f"episode_{number:06d}", info, columns, frames, facts.outcome)
        two_arms = all(name.startswith(("left_", "right_")) for name in self._names)
        info = EpisodeInfo(
            fps=self._fps,
            joints=self._joints,
            followers=("follower_left", "follower_right") if two_arms else ("follower",),
            cameras=self._cameras,
            rig=self._info.rig,
            task=", ".join(map(str, episode["tasks"])),
            configuration={"imported": imported},
            synthetic_stamps=True,
        )
        return Incoming(f"episode_{number:06d}", info, columns, self._frames(episode, table, steps, self._cameras))

    def _camera(self, key: str) -> CameraInfo:
        height, width = self._info.image_size(key)
        return CameraInfo(plain(key.removeprefix(layout.IMAGES)), height, width, self._settings.quality)

    def _rows(self, episode: dict[str, Any], columns: Sequence[str]) -> Any:
        file = self._source / self._info.data_file(int(episode["data/chunk_index"]), int(episode["data/file_index"]))
        filters = [("episode_index", "=", int(episode["episode_index"]))]
        return self._parquet.read_table(file, columns=[*columns, "frame_index"], filters=filters).sort_by("frame_index")

    def _vector(self, table: Any, key: str) -> NDArray[np.float32]:
        """(T, J) in our units."""
        values = np.array(table[key].to_pylist(), np.float32).reshape(table.num_rows, len(self._names))
        if key == layout.EFFORT:
            return values
        scale, closed = np.ones(len(self._names), np.float32), np.zeros(len(self._names), np.float32)
        for j, name in enumerate(self._names):
            if is_gripper(name):
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
                lower, upper = np.fmin(lower, np.fmin.reduce(values)), np.fmax(upper, np.fmax.reduce(values))
                speed = np.fmax(speed, np.fmax.reduce(np.abs(np.diff(values, axis=0)), initial=0) * self._fps)
        for name, reached in zip(self._names, (np.abs(lower) + np.abs(upper) + speed).tolist(), strict=True):
            if not math.isfinite(reached):
                raise BadInput(f"{self._source}: joint {name} is never a number, or infinite")
        grippers = [is_gripper(name) for name in self._names]
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
        keys = {camera.name: key for camera, key in zip(self._cameras, self._info.camera_keys(), strict=True)}
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
        place = (int(episode[f"videos/{key}/{name}"]) for name in ("chunk_index", "file_index"))
        file = self._source / self._info.video_file(key, *place)
        for image in read_video(file, float(episode[f"videos/{key}/from_timestamp"]), self._fps, steps):
            yield self._encoded(image, camera)

    def _embedded(self, stored: dict[str, Any], camera: CameraInfo) -> bytes | None:
        """A JPEG of the right size as it is; anything else that is an image, encoded."""
        raw = stored.get("bytes")
        if not raw:
            return None
        if raw[:2] == b"\xff\xd8":
            with suppress(ValueError):  # Damaged: missing.
                self._refuse_size(size_of(raw), camera)
            return whole_jpeg(raw, camera)
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        return None if pixels is None else self._encoded(np.ascontiguousarray(pixels[:, :, ::-1], np.uint8), camera)

    def _encoded(self, image: Image | None, camera: CameraInfo) -> bytes | None:
        if image is None:
            return None
        self._refuse_size(image.shape[:2], camera)
        return encode(image, self._settings.quality)

    def _refuse_size(self, size: Sequence[int], camera: CameraInfo) -> None:
        """Raises BadInput unless ``size`` (height, width) is the camera's."""
        if tuple(size) != (camera.height, camera.width):
            there, told = f"{size[1]}x{size[0]}", f"{camera.width}x{camera.height}"
            raise BadInput(f"{self._source}: camera {camera.name}: a frame is {there}, {layout.INFO} says {told}")


def _digest(table: Any, episode: dict[str, Any]) -> str:
    """SHA-256 of what was recorded, the same wherever in whatever data set the episode stands.

    The rows and the pictures in them; videos, which are not read for it, by LeRobot's statistics of their pictures.
    """
    digest = hashlib.sha256(repr(episode["tasks"]).encode())
    for name in sorted(name for name in episode if name.startswith("stats/")):
        digest.update(repr((name, episode[name])).encode())
    for name in sorted(table.column_names):
        digest.update(name.encode())
        for value in (scalar.as_py() for scalar in table[name]):
            digest.update(value.get("bytes") or b"" if isinstance(value, dict) else repr(value).encode())
    return digest.hexdigest()
