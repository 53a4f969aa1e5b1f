"""Training samples per second: four 480x640 images and a chunk of 100 actions, ours beside LeRobot's.

    python benchmarks/loader.py --lerobot-python /path/to/venv/bin/python
    python benchmarks/loader.py --workers 4 8 --steps 500

Both read the same recorded episode, in the format that each records by default (ours JPEG, LeRobot's AV1 video read by
PyAV), through the loader that their training uses, with the same number of processes, in turn; samples are drawn at
random. Ours hands over bytes, LeRobot's floats: that is what their networks start from. The last row is what our
training does without ``--workers``: everything decoded once before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import tyro
from function_profile import hottest
from peer import Peer
from rich.console import Console
from rich.table import Table
from store import lerobot
from store_contestants import US, Contest
from store_scene import CAMERAS, CHUNK, HEIGHT, INFO, WIDTH

from il_robot.episodes.reader import Episode
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.training.frames import Frames
from il_robot.training.images import decode_images
from il_robot.training.loader import Choice, batches
from il_robot.training.statistics import Statistics
from il_robot.training.windows import Windows, gather
from il_robot.types import Image

GOAL = 5.0
Profile: TypeAlias = Mapping[str, float]


def main(
    lerobot_python: Path | None = None,
    steps: int = 250,
    batch: int = 8,
    made: int = 8,
    workers: tuple[int, ...] = (1, 2),
    rounds: int = 3,
    limit_s: float = 300.0,
) -> None:
    """Run the comparison.

    Args:
        lerobot_python: the interpreter of an environment that LeRobot is installed in.
        steps: length of the episode that everyone reads.
        batch: samples per batch.
        made: batches that LeRobot makes per round and worker; we make eight times as many.
        workers: numbers of processes that decode.
        rounds: how often everyone has a turn; medians count.
        limit_s: a LeRobot that takes longer for a turn is out.
    """
    with TemporaryDirectory(prefix="loader-") as folder:
        contest = Contest(Path(folder), steps)
        contest.measure(US)
        episode = Episode(Path(folder) / "ours.zarr")
        inputs = Inputs(tuple(joint.name for joint in INFO.joints), cameras=_cameras())
        ours = _windows(episode, inputs, {camera.name: Frames([episode], camera) for camera in inputs.cameras})
        begin = time.perf_counter()
        before = _windows(episode, inputs, dict(decode_images([episode], inputs.cameras, Path(folder))))
        frames_per_s = steps * len(CAMERAS) / (time.perf_counter() - begin)
        peers = (
            [peer for peer in lerobot(contest, lerobot_python, limit_s) if "video" in peer.name]
            if lerobot_python
            else []
        )
        try:
            for peer in peers:
                peer.ask(limit_s, do="write")
            speeds = _turns(ours, peers, batch, made, workers, rounds, limit_s)
            once = float(np.median([_speed(before, batch, 8 * made, 0) for _ in range(rounds)]))
            profiles = {US: hottest(lambda: ours.batch(np.arange(4 * batch) % len(ours)))}
            for peer in peers:
                told = peer.ask(limit_s, do="profile", steps=list(range(0, min(steps, 40), 5)))
                profiles |= {peer.name: told} if told is not None else {}
        finally:
            for peer in peers:
                peer.close()
    notes = [peer.out for peer in peers if peer.name not in profiles]
    if not lerobot_python:
        notes.append("LeRobot was not measured: name an interpreter that has it with --lerobot-python.")
    show(speeds, workers, once, frames_per_s, profiles, notes)


def _cameras() -> tuple[CameraInput, ...]:
    return tuple(CameraInput(name, HEIGHT, WIDTH) for name in CAMERAS)


def _windows(episode: Episode, inputs: Inputs, images: Mapping[str, Image | Frames]) -> Windows:
    rows = gather([episode], inputs)
    return Windows(rows, images, Statistics.of(rows.state_NS, rows.action_NJ, inputs.least_spread), CHUNK)


def _speed(windows: Windows, batch: int, count: int, workers: int) -> float:
    """Samples per second of our training's loader, from the first batch on."""
    made = batches(Choice(windows, batch, seed=0), 0, count + 1, workers)
    next(made)
    begin = time.perf_counter()
    for _ in range(count):
        next(made)
    speed = batch * count / (time.perf_counter() - begin)
    made.close()
    return speed


def _turns(
    ours: Windows, peers: list[Peer], batch: int, made: int, workers: tuple[int, ...], rounds: int, limit_s: float
) -> dict[str, dict[int, list[float]]]:
    """Name -> number of workers -> samples per second in each round; who went out is left out."""
    speeds: dict[str, dict[int, list[float]]] = {name: {} for name in (US, *(peer.name for peer in peers))}
    for _ in range(rounds):
        for count in workers:
            speeds[US].setdefault(count, []).append(_speed(ours, batch, 8 * made * count, count))
            for peer in peers:
                told = peer.ask(limit_s, do="load", workers=count, batch=batch, batches=made * count)
                if told is not None:
                    speeds[peer.name].setdefault(count, []).append(told)
    return {name: of for name, of in speeds.items() if all(len(of.get(count, [])) == rounds for count in workers)}


def show(
    speeds: Mapping[str, Mapping[int, list[float]]],
    workers: tuple[int, ...],
    once: float,
    frames_per_s: float,
    profiles: Mapping[str, Profile],
    notes: list[str],
) -> None:
    """Samples per second and ratios by number of workers; where the time goes; the goal."""
    console = Console(width=120)
    table = Table(title=f"Samples per second, 4 x {HEIGHT}x{WIDTH}, chunk {CHUNK}", title_justify="left")
    table.add_column("loader", no_wrap=True)
    for count in workers:
        table.add_column(f"{count} worker{'s' * (count > 1)}", justify="right")
        table.add_column("il-robot x", justify="right")
    ratios: dict[str, list[float]] = {}
    for name, of in speeds.items():
        ratios[name] = [float(np.median(np.divide(speeds[US][count], of[count]))) for count in workers]
        cells = zip((f"{np.median(of[count]):.1f}" for count in workers), ratios[name], strict=True)
        table.add_row(name, *(text for speed, ratio in cells for text in (speed, f"{ratio:.1f}")))
    console.print(table)
    console.print(f"{US}, decoded before at {frames_per_s:.0f} frames/s: {once:.0f} samples/s", highlight=False)
    for name, profile in profiles.items():
        console.print(f"{name} spends its time in", ", ".join(f"{f} {s:.0%}" for f, s in profile.items()), markup=False)
    for name in speeds:
        if name != US:
            held = "holds" if min(ratios[name]) >= GOAL else "does NOT hold"
            console.print(
                f"Goal, {GOAL:g} x the samples of {name}: {held} ({min(ratios[name]):.1f} x)", highlight=False
            )
    for note in notes:
        console.print(note, highlight=False)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
