"""The writer alone: in real time with its CPU, memory and losses; and killed at random moments."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from store_scene import CAMERAS, INFO, RATE_HZ, scene, step_of

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Frame


def real_time(folder: Path, seconds: float) -> dict[str, float]:
    """Four cameras at 50 Hz, encoding included: CPU, lateness, losses, memory, close.

    What the robot is said to do is made beforehand: that is not recording.
    """
    pictures, steps = scene(), [step_of(t) for t in range(round(seconds * RATE_HZ))]
    writer = EpisodeWriter.create(folder, INFO, episode_id="real_time", minimum_s=seconds)
    begin, cpu, late, memory = time.perf_counter(), time.process_time(), [], 0
    encoding = size = 0.0
    for t, step in enumerate(steps):
        due = begin + t / RATE_HZ
        time.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
        start = time.thread_time()
        encoded = {name: encode(pictures[(t + c) % len(pictures)]) for c, name in enumerate(CAMERAS)}
        encoding += time.thread_time() - start
        size += sum(map(len, encoded.values()))
        writer.append(step, {name: Frame(jpeg, step.time_ns, t) for name, jpeg in encoded.items()})
        if t == len(steps) // 4:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    before = time.perf_counter()
    path = writer.close()
    return {
        "seconds": wall,
        "cpu_percent": 100 * used / wall,
        "encode_percent": 100 * encoding / wall,
        "kb_per_frame": size / len(steps) / len(CAMERAS) / 1e3,
        "late_p99_ms": float(np.percentile(late, 99)) * 1e3,
        "frames_missing": sum(writer.missing.values()) + (len(steps) - Episode(path).steps) * len(CAMERAS),
        "memory_growth_mb": grown / 1e3,
        "close_ms": (time.perf_counter() - before) * 1e3,
    }


RECORDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_live import CAMERAS, INFO, RATE_HZ, EpisodeWriter, Frame, encode, scene, step_of
writer = EpisodeWriter.create(Path(sys.argv[1]), INFO)
pictures = [encode(picture) for picture in scene(8)]
for t in range(100_000):
    step = step_of(t)
    writer.append(step, {n: Frame(pictures[(t + c) % 8], step.time_ns, t) for c, n in enumerate(CAMERAS)})
    print(t + 1, writer.acknowledged, flush=True)
    time.sleep(1 / RATE_HZ)
"""


def kill(folder: Path, kills: int) -> dict[str, float]:
    """A recorder killed -9 at a random moment, again and again: steps lost, and acknowledged steps lost."""
    lost, broken, random = [], 0, np.random.default_rng(0)
    for number in range(kills):
        dataset = folder / f"kill_{number}"
        arguments = [sys.executable, "-c", RECORDER, str(dataset), str(Path(__file__).parent)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(random.uniform(0.1, 2.5)))
        process.send_signal(signal.SIGKILL)
        appended, acknowledged = map(int, process.stdout.read().splitlines()[-1].split())
        process.wait()
        (path,) = dataset.glob("*.zarr")
        recover(path)
        steps = Episode(path).steps
        lost.append(max(0, appended - steps))
        broken += steps < acknowledged
        shutil.rmtree(dataset)
    return {
        "kills": kills,
        "steps_lost_mean": float(np.mean(lost)),
        "steps_lost_max": max(lost),
        "lost_acknowledged": broken,
    }
