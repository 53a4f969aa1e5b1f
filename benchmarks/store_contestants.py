"""Who writes in ``store.py``: this project's store and its peers' layouts, the same frames each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import zarr
from store_scene import CAMERAS, HEIGHT, INFO, WIDTH, scene, step_of

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Frame, Image

US = "il-robot"


@dataclass(frozen=True)
class Written:
    """What writing cost, per frame where it says so."""

    contestant: str
    write_cpu_ms_per_frame: float
    frames_per_s: float
    close_ms: float
    kb_per_frame: float
    cpu_ratio_to_us: float = float("nan")


class Contest:
    """The same ``steps`` steps for everyone; camera c shows picture t + c at step t."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps, self.pictures = folder, steps, scene()
        self.actions = np.stack([step_of(t).action for t in range(steps)])

    def image(self, t: int, c: int) -> Image:
        return self.pictures[(t + c) % len(self.pictures)]

    def writers(self) -> dict[str, tuple[str, Callable[[], Callable[[], None]]]]:
        """Name -> its file, and what writes it: it takes everything in and returns what closes the file."""
        return {
            US: ("ours.zarr", self.il_robot),
            "zarr-python, same codec": ("plain.zarr", self.plain_zarr),
            "ACT HDF5 (raw)": ("act.hdf5", self.act_hdf5),
            "diffusion_policy buffer": ("replay_buffer.zarr", self.replay_buffer),
        }

    def measure(self, name: str) -> Written:
        """Write one episode in the way of ``name``, in place of the one of the round before."""
        file, write = self.writers()[name]
        path = self.folder / file
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        wall, cpu = time.perf_counter(), time.process_time()
        close = write()
        before = time.perf_counter()
        close()
        done, frames = time.perf_counter(), self.steps * len(CAMERAS)
        size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size
        cpu_ms = (time.process_time() - cpu) * 1e3 / frames
        return Written(name, cpu_ms, frames / (done - wall), (done - before) * 1e3, size / frames / 1e3)

    def il_robot(self) -> Callable[[], None]:
        writer = EpisodeWriter.create(self.folder, INFO, episode_id="ours", queue_steps=20)
        for t in range(self.steps):
            step = step_of(t)
            frames = {name: Frame(encode(self.image(t, c)), step.time_ns, t) for c, name in enumerate(CAMERAS)}
            if t % 10 == 0:
                writer.flush()
            writer.append(step, frames)
        return lambda: (writer.close("success"), None)[1]

    def act_hdf5(self) -> Callable[[], None]:
        """Everything is kept in memory and saved at the end, as ALOHA's record_episodes does."""
        images = {name: [self.image(t, c) for t in range(self.steps)] for c, name in enumerate(CAMERAS)}

        def save() -> None:
            with h5py.File(self.folder / "act.hdf5", "w", rdcc_nbytes=1024**2 * 2) as root:
                for name in CAMERAS:
                    shape = (self.steps, HEIGHT, WIDTH, 3)
                    path = f"observations/images/{name}"
                    root.create_dataset(path, shape, "uint8", chunks=(1, HEIGHT, WIDTH, 3))[...] = np.stack(
                        images[name]
                    )
                root["observations/qpos"] = self.actions
                root["action"] = self.actions

        return save

    def replay_buffer(self) -> Callable[[], None]:
        """diffusion_policy's layout: zarr v2, data/* over all steps, one chunk a frame, Blosc lz4 (its default)."""
        root = zarr.open_group(str(self.folder / "replay_buffer.zarr"), mode="w", zarr_format=2)
        lz4 = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.NOSHUFFLE)
        data, shape = root.create_group("data"), (self.steps, HEIGHT, WIDTH, 3)
        for c, name in enumerate(CAMERAS):
            array = data.create_array(name, shape=shape, dtype="uint8", chunks=(1, *shape[1:]), compressors=lz4)
            for t in range(self.steps):
                array[t] = self.image(t, c)
        data.create_array("action", data=self.actions)

        def end() -> None:
            root.create_group("meta").create_array("episode_ends", data=np.array([self.steps]))

        return end

    def plain_zarr(self) -> Callable[[], None]:
        """zarr-python writing the same shards through the same codec, a whole shard at a time."""
        shape = (self.steps, HEIGHT, WIDTH, 3)
        root = zarr.open_group(str(self.folder / "plain.zarr"), mode="w")
        for c, name in enumerate(CAMERAS):
            ours = zarr.open_array(self.folder / "ours.zarr", path=f"images/{name}", mode="r")
            chunks, codec = (1, *shape[1:]), ours.serializer
            assert codec is not None
            array = root.create_array(
                name,
                shape=shape,
                dtype="uint8",
                chunks=chunks,
                shards=(250, *shape[1:]),
                serializer=codec,
                compressors=None,
            )
            for first in range(0, self.steps, 250):
                last = min(first + 250, self.steps)
                array[first:last] = np.stack([self.image(t, c) for t in range(first, last)])
        root.create_array("action", data=self.actions)
        return lambda: None
