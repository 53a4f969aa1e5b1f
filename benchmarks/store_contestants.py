"""Who takes part in ``store.py``: this project's store and its peers' layouts, on the same frames."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import zarr
from store_scene import CAMERAS, HEIGHT, INFO, RATE_HZ, WIDTH, scene, step_of

from il_robot.episodes.jpeg_codec import decode, encode
from il_robot.episodes.reader import Episode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Floats, Frame, Image

CHUNK = 100
"""Actions of a sample."""


@dataclass(frozen=True)
class Written:
    """What writing cost, per frame where it says so."""

    contestant: str
    write_cpu_ms_per_frame: float
    frames_per_s: float
    close_ms: float
    kb_per_frame: float


@dataclass(frozen=True)
class Read:
    """What one random sample cost: four images at t and the actions t..t+100."""

    contestant: str
    cpu_ms_per_sample: float
    samples_per_s: float
    ratio_to_decode: float
    ratio_to_us: float


class Contest:
    """The same ``steps`` steps for everyone; camera c shows picture t + c at step t."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps, self.pictures = folder, steps, scene()
        self.actions = np.stack([step_of(t).action for t in range(steps)])

    def image(self, t: int, c: int) -> Image:
        return self.pictures[(t + c) % len(self.pictures)]

    def measure(self, name: str, write: Callable[[], Callable[[], None]], path: Path) -> Written:
        """``write`` takes everything in and returns what closes the file."""
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
        ours = zarr.open_group(str(self.folder / "ours.zarr"), mode="r")
        for c, name in enumerate(CAMERAS):
            chunks, codec = (1, *shape[1:]), ours[f"images/{name}"].metadata.codecs[0].codecs[0]
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


Sampler = Callable[[int], tuple[Image, Floats]]


def samplers(contest: Contest) -> Iterator[tuple[str, Sampler]]:
    """Name and reader of everyone; each gives (4, H, W, 3) and (<=100, 14)."""
    out = np.empty((len(CAMERAS), HEIGHT, WIDTH, 3), np.uint8)
    folder, episode = contest.folder, Episode(contest.folder / "ours.zarr")
    jpegs = {(t, c): episode.frame_jpeg(n, t) for t in range(contest.steps) for c, n in enumerate(CAMERAS)}

    def pure_decode(t: int) -> tuple[Image, Floats]:
        for c in range(len(CAMERAS)):
            decode(jpegs[t, c], HEIGHT, WIDTH, out[c])
        return out, contest.actions[t : t + CHUNK]

    def ours(t: int) -> tuple[Image, Floats]:
        for c, name in enumerate(CAMERAS):
            episode.image(name, t, out[c])
        return out, episode.action[t : t + CHUNK].copy()

    yield "pure JPEG decode", pure_decode
    yield "il-robot", ours
    group = zarr.open_group(str(folder / "ours.zarr"), mode="r")
    arrays, action = [group[f"images/{name}"] for name in CAMERAS], group["action"]
    yield "zarr-python, same files", lambda t: (np.stack([a[t] for a in arrays]), action[t : t + CHUNK])

    def act(t: int) -> tuple[Image, Floats]:
        with h5py.File(folder / "act.hdf5", "r") as root:
            return np.stack([root[f"observations/images/{n}"][t] for n in CAMERAS]), root["action"][t : t + CHUNK]

    yield "ACT HDF5 (opens per sample)", act
    kept = h5py.File(folder / "act.hdf5", "r")
    sets = [kept[f"observations/images/{name}"] for name in CAMERAS]
    yield "ACT HDF5, kept open", lambda t: (np.stack([s[t] for s in sets]), kept["action"][t : t + CHUNK])
    buffer = zarr.open_group(str(folder / "replay_buffer.zarr"), mode="r")["data"]
    frames, actions = [buffer[name] for name in CAMERAS], buffer["action"]
    yield "diffusion_policy buffer", lambda t: (np.stack([a[t] for a in frames]), actions[t : t + CHUNK])


def read_all(contest: Contest, rounds: int = 5, samples: int = 30) -> list[Read]:
    """Every reader in turn, ``rounds`` times; medians."""
    readers, random = list(samplers(contest)), np.random.default_rng(0)
    cpu: dict[str, list[float]] = {name: [] for name, _ in readers}
    wall: dict[str, list[float]] = {name: [] for name, _ in readers}
    for _ in range(rounds + 1):
        steps = random.integers(0, contest.steps - 1, samples).tolist()
        for name, read in readers:
            w, c = time.perf_counter(), time.process_time()
            for t in steps:
                read(t)
            cpu[name].append((time.process_time() - c) / samples)
            wall[name].append((time.perf_counter() - w) / samples)
    median = {name: float(np.median(values[1:])) for name, values in cpu.items()}
    speed = {name: 1 / float(np.median(values[1:])) for name, values in wall.items()}
    base, ours = median["pure JPEG decode"], median["il-robot"]
    return [Read(n, m * 1e3, speed[n], m / base, m / ours) for n, m in median.items()]


def lerobot(contest: Contest, python: Path, others: list[Read]) -> tuple[list[Written], list[Read], str]:
    """LeRobot's own class in its own interpreter, after the others: rows of what ran, and a sentence about it."""
    frames = contest.folder / "frames.npz"
    named = {"pictures": np.stack(contest.pictures), "actions": contest.actions, "cameras": np.array(CAMERAS)}
    np.savez(frames, fps=np.array(RATE_HZ), chunk=np.array(CHUNK), **named)
    script = Path(__file__).with_name("store_lerobot.py")
    command = [str(python), str(script), str(frames), str(contest.folder / "lerobot")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return [], [], f"LeRobot was not measured: {error}"
    if done.returncode:
        return [], [], f"LeRobot was not measured: {(done.stderr.strip() or 'it failed').splitlines()[-1]}"
    answer = json.loads(done.stdout.splitlines()[-1])
    base, ours = (
        next(r.cpu_ms_per_sample for r in others if r.contestant == n) for n in ("pure JPEG decode", "il-robot")
    )
    written, read = [], []
    for layout, row in answer["layouts"].items():
        name, cpu = f"LeRobot {answer['version']}, {layout}", row.pop("cpu_ms_per_sample")
        read.append(Read(name, cpu, row.pop("samples_per_s"), cpu / base, cpu / ours))
        written.append(Written(name, **row))
    return written, read, f"LeRobot {answer['version']} was measured after the others, in its own process."
