"""How well the whole graph keeps real time on this machine, at several image sizes.

Collects episodes through ``il-robot launch collect`` with four cameras at 50 Hz and reads the answer from what
was recorded: ticks more than 10 ms late, frames missing, repeated or skipped, and the CPU time of all processes.

    python benchmarks/realtime.py --episodes 3 --sizes 240x320 480x640
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from calibration.rig_file import RIGS
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.reader import Episode

LATE_NS = 10_000_000


def rig_at(size: str, folder: Path) -> Path:
    """The simulated rig with all cameras at ``size`` (HxW)."""
    height, width = (int(number) for number in size.split("x"))
    rig = yaml.safe_load((RIGS / "sim" / "rig.yaml").read_text())
    for camera in rig["cameras"]:
        camera |= {"height": height, "width": width}
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(rig))
    return path


def lateness_ns(episode: Episode) -> np.ndarray:
    """(T,) how long after its deadline, half a period into every period, each tick began."""
    period_ns = round(1e9 / episode.info.fps)
    late: np.ndarray = (episode.step_ns - period_ns // 2) % period_ns
    return late


def measure(size: str, episodes: int) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = [f"rig:={rig_at(size, folder)}", f"dataset:={folder / 'data'}", f"episodes:={episodes}"]
        before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "il_robot.cli", "launch", "collect", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            env={"ROS_DOMAIN_ID": "71", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **os.environ},
        )
        after, wall_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began_s
        recorded = Dataset(folder / "data").episodes
        late = np.concatenate([lateness_ns(episode) for episode in recorded])
        periods = np.concatenate([np.diff(episode.step_ns) for episode in recorded])
        losses = [loss for episode in recorded for loss in episode.recorded.losses.values()]
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return [
            size,
            str(len(recorded)),
            str(len(late)),
            str(int((late > LATE_NS).sum() + (periods > 30_000_000).sum())),
            f"{statistics.median(late) / 1e6:.2f}",
            f"{np.percentile(late, 99) / 1e6:.2f}",
            f"{late.max() / 1e6:.2f}",
            "/".join(str(sum(getattr(loss, kind) for loss in losses)) for kind in ("missing", "repeated", "skipped")),
            f"{100 * cpu_s / wall_s:.0f}",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", default=["240x320", "480x640"])
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"load before: {load:.2f} on {os.cpu_count()} cores" + (" (NOT idle)" if load > 0.5 else ""))
    heads = ("size", "episodes", "ticks", "late >10 ms", "p50 ms", "p99 ms", "max ms", "miss/rep/skip", "CPU %")
    print("".join(f"{head:>14}" for head in heads))
    for size in given.sizes:
        print("".join(f"{cell:>14}" for cell in measure(size, given.episodes)), flush=True)


if __name__ == "__main__":
    main()
