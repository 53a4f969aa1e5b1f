"""Who reads in ``store.py``: random samples, four images at t and the actions t..t+100, from the same frames each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import zarr
from peer import Peer
from store_contestants import US, Contest
from store_scene import CAMERAS, CHUNK, HEIGHT, WIDTH

from il_robot.episodes.jpeg_codec import decode
from il_robot.episodes.reader import Episode
from il_robot.types import Floats, Image

DECODE = "pure JPEG decode"
ROUND_S = 2.0
"""A contestant's round ends after so long, with at least one sample: a slow one must not hold the others up."""

Sampler = Callable[[int], tuple[Image, Floats]]
Round = Callable[[list[int]], tuple[float, float] | None]
"""Reads the samples at these steps; processor time and time per sample [s]."""


@dataclass(frozen=True)
class Read:
    """What one random sample cost."""

    contestant: str
    cpu_ms_per_sample: float
    samples_per_s: float
    cpu_ratio_to_decode: float
    cpu_ratio_to_us: float


def samplers(contest: Contest) -> Iterator[tuple[str, Sampler]]:
    """Name and reader of everyone here; each gives (4, H, W, 3) and (<=100, 14)."""
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

    yield DECODE, pure_decode
    yield US, ours
    images = [f"images/{name}" for name in CAMERAS]
    yield "zarr-python, same files", _of_zarr(folder / "ours.zarr", images, "action")

    def act(t: int) -> tuple[Image, Floats]:
        with h5py.File(folder / "act.hdf5", "r") as root:
            return np.stack([root[f"observations/images/{n}"][t] for n in CAMERAS]), root["action"][t : t + CHUNK]

    yield "ACT HDF5 (opens per sample)", act
    kept = h5py.File(folder / "act.hdf5", "r")
    sets = [kept[f"observations/images/{name}"] for name in CAMERAS]
    yield "ACT HDF5, kept open", lambda t: (np.stack([s[t] for s in sets]), kept["action"][t : t + CHUNK])
    yield (
        "diffusion_policy buffer",
        _of_zarr(folder / "replay_buffer.zarr", [f"data/{n}" for n in CAMERAS], "data/action"),
    )


def _of_zarr(store: Path, images: list[str], actions: str) -> Sampler:
    """zarr-python alone, on arrays that stay open."""
    frames, action = (
        [zarr.open_array(store, path=name, mode="r") for name in images],
        zarr.open_array(store, path=actions),
    )
    return lambda t: (np.stack([np.asarray(a[t]) for a in frames]), np.asarray(action[t : t + CHUNK]))


def read_all(contest: Contest, peers: list[Peer], limit_s: float, rounds: int = 5, samples: int = 30) -> list[Read]:
    """Every reader in turn, ``rounds`` times after one to warm up; medians. A peer that goes out has no row."""
    readers = {name: _here(read) for name, read in samplers(contest)} | {p.name: _there(p, limit_s) for p in peers}
    random = np.random.default_rng(0)
    cpu: dict[str, list[float]] = {name: [] for name in readers}
    wall: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):
        steps = random.integers(0, contest.steps - 1, samples).tolist()
        for name, read in readers.items():
            taken = read(steps)
            if taken is not None:
                cpu[name].append(taken[0])
                wall[name].append(taken[1])
    whole = [name for name in readers if len(cpu[name]) == rounds + 1]
    median = {name: float(np.median(cpu[name][1:])) for name in whole}
    speed = {name: 1 / float(np.median(wall[name][1:])) for name in whole}
    return [Read(n, median[n] * 1e3, speed[n], median[n] / median[DECODE], median[n] / median[US]) for n in whole]


def _here(read: Sampler) -> Round:
    def measured(steps: list[int]) -> tuple[float, float]:
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        for t in steps:
            read(t)
            done += 1
            if time.perf_counter() - wall > ROUND_S:
                break
        return (time.process_time() - cpu) / done, (time.perf_counter() - wall) / done

    return measured


def _there(peer: Peer, limit_s: float) -> Round:
    def measured(steps: list[int]) -> tuple[float, float] | None:
        answer = peer.ask(limit_s, do="read", steps=steps, limit_s=ROUND_S)
        return None if answer is None else (answer["cpu_s"], answer["wall_s"])

    return measured
