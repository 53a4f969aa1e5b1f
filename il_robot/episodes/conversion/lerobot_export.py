"""Episodes into a LeRobot data set, version 3.0: one parquet file per episode, one video per episode and camera."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.columns import Column
from il_robot.episodes.conversion import lerobot_layout as layout
from il_robot.episodes.conversion.carried import carried_columns, facts_of
from il_robot.episodes.conversion.lerobot_stats import Stats, image_stats, row_stats, together
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.outgoing_frames import filled_steps, whole_image, whole_jpeg
from il_robot.episodes.conversion.outlet import whole_files
from il_robot.episodes.conversion.video import write_video
from il_robot.episodes.layout import CameraInfo, EpisodeInfo
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput


def _common_info(episodes: Sequence[Episode], images: layout.Images) -> EpisodeInfo:
    info = episodes[0].info
    for episode in episodes:
        for what in ("fps", "joint_names", "camera_names", "followers", "objects"):
            ours, first = getattr(episode.info, what), getattr(info, what)
            if ours != first:
                raise BadInput(f"{episode.path}: {what} {ours} where {episodes[0].id} has {first}: not one data set")
    if info.fps != int(info.fps):
        raise BadInput(f"{episodes[0].path}: {info.fps} Hz: LeRobot takes whole numbers only")
    for camera in info.cameras:
        if images != "jpeg" and (camera.height % 2 or camera.width % 2):
            raise BadInput(f"camera {camera.name}: {camera.width}x{camera.height}: video needs even sizes: images jpeg")
    return info


class LerobotWriter:
    """Writes a data set into ``folder``: :meth:`add` each of the episodes that are not damaged, then :meth:`finish`.

    Raises BadInput when the episodes are not of one kind or LeRobot cannot hold them, OSError when the disk fails.
    """

    def __init__(self, episodes: Sequence[Episode], folder: Path, images: layout.Images) -> None:
        info = _common_info(episodes, images)
        self._pa, self._parquet = library("pyarrow"), library("pyarrow.parquet")
        self._folder = folder
        self._fps = int(info.fps)
        self._images = images
        self._cameras = info.cameras
        self._tasks: dict[str, int] = {}
        """Numbered as they come: a damaged episode leaves no task behind."""
        self._vectors = _vectors(episodes)
        self._carried = {layout.carried_feature(c.path): c for c in carried_columns(info, layout.OWN)}
        self._features = self._described(info)
        self._stats: list[dict[str, Stats]] = []
        self._rows: list[dict[str, Any]] = []
        self._facts: list[dict[str, Any]] = []
        self._frames = 0

    def add(self, number: int, episode: Episode) -> None:
        """Write the episode's file of rows and its videos. Raises BadInput when it is damaged, and none of them stays.

        ``number``: counted from 0 without those that were damaged.
        """
        place = dict(zip(("chunk_index", "file_index"), divmod(number, layout.CHUNK_FILES), strict=True))
        videos = {} if self._images == "jpeg" else {camera.name: self._video(camera, place) for camera in self._cameras}
        with whole_files(*videos.values()):
            self._add(number, episode, place, videos)

    def _add(self, number: int, episode: Episode, place: Mapping[str, int], videos: Mapping[str, Path]) -> None:
        columns = self._columns(number, episode)
        stats = {name: row_stats(values) for name, values in columns.items()}
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [_task(episode)],
            "length": episode.steps,
            **{f"data/{name}": value for name, value in place.items()},
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + episode.steps,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        table = {name: self._arrow(values) for name, values in columns.items()}
        for camera in self._cameras:
            key = layout.IMAGES + camera.name
            stats[key] = image_stats(episode, camera)
            if self._images == "jpeg":
                table[key] = self._embedded(episode, camera)
            else:
                self._write_video(episode, camera, videos[camera.name])
                row |= {f"videos/{key}/{name}": value for name, value in place.items()}
                row |= {f"videos/{key}/from_timestamp": 0.0, f"videos/{key}/to_timestamp": episode.steps / self._fps}
        self._write_table(layout.DATA.format(**place), self._pa.table(table))
        row |= {f"stats/{key}/{name}": values.tolist() for key, some in stats.items() for name, values in some.items()}
        self._rows.append(row)
        self._facts.append(facts_of(episode))
        self._stats.append(stats)
        self._tasks.setdefault(_task(episode), len(self._tasks))
        self._frames += episode.steps

    def finish(self) -> None:
        """Write the folder ``meta``."""
        self._write_table(layout.EPISODES.format(chunk_index=0, file_index=0), self._pa.Table.from_pylist(self._rows))
        numbers = self._pa.array(range(len(self._tasks)), self._pa.int64())
        tasks = self._pa.table({"task_index": numbers, "task": list(self._tasks)})
        self._write_table(layout.TASKS, tasks.replace_schema_metadata(layout.tasks_metadata()))
        stats = together(self._stats)
        self._write_json(
            layout.STATS, {k: {name: values.tolist() for name, values in some.items()} for k, some in stats.items()}
        )
        self._write_json(layout.INFO, self._info())
        self._write_json(layout.FACTS, self._facts)

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": layout.VERSION,
            "robot_type": "il-robot",
            "total_episodes": len(self._rows),
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": layout.CHUNK_FILES,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._rows)}"},
            "data_path": layout.DATA,
            "video_path": None if self._images == "jpeg" or not self._cameras else layout.VIDEO,
            "features": self._features,
        }

    def _described(self, info: EpisodeInfo) -> dict[str, Any]:
        vectors = {name: layout.vector_feature(info.joint_names) for name in self._vectors}
        cameras = {
            layout.IMAGES + camera.name: layout.image_feature(camera.height, camera.width, self._fps, self._images)
            for camera in info.cameras
        }
        carried = {
            n: layout.plain_feature(_lerobots(c), int(np.prod(c.shape, dtype=int))) for n, c in self._carried.items()
        }
        indexes = {name: layout.plain_feature(dtype) for name, dtype in layout.INDEXES.items()}
        return {**vectors, **cameras, **carried, **indexes}

    def _columns(self, number: int, episode: Episode) -> dict[str, NDArray[Any]]:
        """Everything of the episode but images, (T,) or (T, J)."""
        frames = np.arange(episode.steps)
        return {
            **{name: episode.array(path) for name, path in self._vectors.items()},
            **{name: episode.array(c.path).astype(_lerobots(c)) for name, c in self._carried.items()},
            "timestamp": (frames / self._fps).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(episode.steps, number),
            "index": frames + self._frames,
            "task_index": np.full(episode.steps, self._tasks.get(_task(episode), len(self._tasks))),
        }

    def _arrow(self, values: NDArray[Any]) -> Any:
        flat = self._pa.array(np.ascontiguousarray(values).reshape(-1))
        return flat if len(flat) == len(values) else self._pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    def _embedded(self, episode: Episode, camera: CameraInfo) -> Any:
        """The stored JPEGs, byte for byte, as the Hugging Face image type."""
        steps = filled_steps(episode, camera.name)
        jpegs = [{"bytes": whole_jpeg(episode, camera, int(t)), "path": None} for t in steps]
        return self._pa.array(jpegs, self._pa.struct({"bytes": self._pa.binary(), "path": self._pa.string()}))

    def _video(self, camera: CameraInfo, place: Mapping[str, int]) -> Path:
        return self._folder / layout.VIDEO.format(video_key=layout.IMAGES + camera.name, **place)

    def _write_video(self, episode: Episode, camera: CameraInfo, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        codec, options = layout.CODECS[self._images]
        frames = (whole_image(episode, camera, int(t)) for t in filled_steps(episode, camera.name))
        write_video(file, frames, self._fps, codec, options, layout.GOP)

    def _write_table(self, path: str, table: Any) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        self._parquet.write_table(table, file, compression="snappy")

    def _write_json(self, path: str, data: Any) -> None:
        (self._folder / path).write_text(json.dumps(data, indent=4, allow_nan=False), encoding="utf-8")


def _vectors(episodes: Sequence[Episode]) -> dict[str, str]:
    """Feature -> array, for the vectors that are measured everywhere: a single NaN would spoil LeRobot's statistics."""
    wanted = {layout.STATE: "observations/qpos", layout.ACTION: "action", layout.ASKED: "action_asked"}
    for feature, path in ((layout.VELOCITY, "observations/qvel"), (layout.EFFORT, "observations/effort")):
        if all(np.isfinite(episode.array(path)).all() for episode in episodes):
            wanted[feature] = path
    return wanted


def _lerobots(column: Column) -> str:
    """LeRobot's own integers are int64."""
    return "float32" if column.dtype == "<f4" else "int64"


def _task(episode: Episode) -> str:
    return episode.info.task or "unnamed"
