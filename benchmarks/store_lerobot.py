"""LeRobot's own dataset class in ``store.py`` and ``loader.py``: run by the interpreter that has LeRobot.

    LEROBOT_PYTHON benchmarks/store_lerobot.py frames.npz LAYOUT FOLDER

``frames.npz`` holds ``pictures`` (N, H, W, 3) uint8, ``actions`` (T, J) float32, ``fps``, ``chunk`` and ``cameras``.
LAYOUT is ``video`` (LeRobot's default: AV1, every second frame a key frame) or ``image`` (PNG in parquet). It is asked
as ``peer_side.py`` says, by the names of :class:`Contestant`'s methods. Nothing of this project is imported: LeRobot
asks for other versions of nearly every library.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from function_profile import hottest
from lerobot_torchvision import import_torchvision
from peer_side import answer


def cpu_s() -> float:
    """Process time of this process and of the children it has waited for (encoders) [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def dataset_class() -> Any:
    """LeRobotDataset."""
    import_torchvision()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset


class Contestant:
    """Writes one episode and reads samples: 4 images at t and the actions t..t+chunk."""

    def __init__(self, frames: dict[str, Any], layout: str, folder: Path) -> None:
        self._frames, self._layout, self._folder = frames, layout, folder
        self._fps = int(frames["fps"])
        self._class = dataset_class()

    def open(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {"version": version("lerobot")}

    def write(self) -> dict[str, float]:
        """One episode, closed; what was there is written anew."""
        shutil.rmtree(self._folder, ignore_errors=True)
        pictures, actions = self._frames["pictures"], self._frames["actions"]
        cameras, steps = [str(name) for name in self._frames["cameras"]], len(actions)
        vector = {"dtype": "float32", "shape": actions.shape[1:], "names": None}
        image = {"dtype": self._layout, "shape": pictures.shape[1:], "names": ["height", "width", "channels"]}
        features = {"action": vector, "observation.state": vector}
        features |= {f"observation.images.{name}": image for name in cameras}
        wall, cpu, video = time.perf_counter(), cpu_s(), self._layout == "video"
        data = self._class.create(
            "local/store", self._fps, features, root=self._folder, use_videos=video, image_writer_threads=4
        )
        for t in range(steps):
            shown = {f"observation.images.{name}": pictures[(t + c) % len(pictures)] for c, name in enumerate(cameras)}
            data.add_frame({"action": actions[t], "observation.state": actions[t], "task": "none", **shown})
        before = time.perf_counter()
        data.save_episode()
        data.finalize()
        data.stop_image_writer()
        done, count = time.perf_counter(), steps * len(cameras)
        window = {"action": [i / self._fps for i in range(int(self._frames["chunk"]))]}
        used = cpu_s() - cpu
        size = sum(file.stat().st_size for file in self._folder.rglob("*") if file.is_file())
        self._data = self._class("local/store", root=self._folder, delta_timestamps=window, video_backend="pyav")
        return {
            "write_cpu_ms_per_frame": used * 1e3 / count,
            "frames_per_s": count / (done - wall),
            "close_ms": (done - before) * 1e3,
            "kb_per_frame": size / count / 1e3,
        }

    def read(self, steps: list[int], limit_s: float) -> dict[str, float]:
        """The samples at ``steps``, as many as ``limit_s`` allows for but at least one: per sample."""
        wall, cpu, done = time.perf_counter(), cpu_s(), 0
        for t in steps:
            self._data[t]
            done += 1
            if time.perf_counter() - wall > limit_s:
                break
        return {"cpu_s": (cpu_s() - cpu) / done, "wall_s": (time.perf_counter() - wall) / done}

    def load(self, workers: int, batch: int, batches: int) -> float:
        """Samples per second of torch's loader over it as LeRobot's training uses it, from the first batch on."""
        loader = torch.utils.data.DataLoader(
            self._data, batch, shuffle=True, num_workers=workers, drop_last=True, prefetch_factor=2
        )
        made = itertools.chain.from_iterable(itertools.repeat(loader))
        next(made)
        begin = time.perf_counter()
        for _ in range(batches):
            next(made)
        return batch * batches / (time.perf_counter() - begin)

    def profile(self, steps: list[int]) -> dict[str, float]:
        """Where the time of reading these samples goes."""
        return hottest(lambda: [self._data[t] for t in steps])


def main(source: str, layout: str, folder: str) -> None:
    torch.set_num_threads(1)
    answer(lambda: Contestant(dict(np.load(source)), layout, Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
