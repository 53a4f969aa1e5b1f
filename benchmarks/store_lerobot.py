"""LeRobot's own dataset class on the frames of ``store.py``: run by the interpreter that has LeRobot, prints JSON.

    LEROBOT_PYTHON benchmarks/store_lerobot.py frames.npz FOLDER

``frames.npz`` holds ``pictures`` (N, H, W, 3) uint8, ``actions`` (T, J) float32, ``fps``, ``chunk`` and ``cameras``.
Videos are LeRobot's default; its image layout decodes all pictures of an action window, so it is left out.
Nothing of this project is imported: LeRobot asks for other versions of nearly every library.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROUNDS, SAMPLES = 3, 5


def cpu_s() -> float:
    """Process time of this process and of the children it has waited for (encoders) [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def dataset_class() -> Any:
    """LeRobotDataset. torchvision beside a CPU-only torch lacks two operators, which nothing here calls."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        dataset_class.kept = library  # type: ignore[attr-defined]  # it ends with the object
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset


def measure(frames: Any, folder: Path) -> dict[str, float]:
    """Write one episode, close it, and read random samples: 4 images at t and the actions t..t+chunk."""
    pictures, actions, fps = frames["pictures"], frames["actions"], int(frames["fps"])
    cameras, steps = [str(name) for name in frames["cameras"]], len(frames["actions"])
    vector = {"dtype": "float32", "shape": actions.shape[1:], "names": None}
    image = {
        "dtype": "video",
        "shape": pictures.shape[1:],
        "names": ["height", "width", "channels"],
    }
    features = {"action": vector, "observation.state": vector}
    features |= {f"observation.images.{name}": image for name in cameras}
    kind, wall, cpu = dataset_class(), time.perf_counter(), cpu_s()
    data = kind.create("local/store", fps, features, root=folder, use_videos=True, image_writer_threads=4)
    for t in range(steps):
        shown = {f"observation.images.{name}": pictures[(t + c) % len(pictures)] for c, name in enumerate(cameras)}
        data.add_frame({"action": actions[t], "observation.state": actions[t], "task": "none", **shown})
    before = time.perf_counter()
    data.save_episode()
    data.finalize()
    done = time.perf_counter()
    written = {
        "write_cpu_ms_per_frame": (cpu_s() - cpu) * 1e3 / (steps * len(cameras)),
        "frames_per_s": steps * len(cameras) / (done - wall),
        "close_ms": (done - before) * 1e3,
        "kb_per_frame": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / steps / len(cameras) / 1e3,
    }
    window = {"action": [i / fps for i in range(int(frames["chunk"]))]}
    back = kind("local/store", root=folder, delta_timestamps=window, video_backend="pyav")
    return written | timed(lambda t: back[t], steps)


def timed(read: Callable[[int], object], steps: int) -> dict[str, float]:
    """Medians over the rounds after the first."""
    random, cpus, walls = np.random.default_rng(0), [], []
    for _ in range(ROUNDS + 1):
        wall, cpu = time.perf_counter(), cpu_s()
        for t in random.integers(0, steps - 1, SAMPLES).tolist():
            read(t)
        cpus.append((cpu_s() - cpu) / SAMPLES)
        walls.append((time.perf_counter() - wall) / SAMPLES)
    return {"cpu_ms_per_sample": float(np.median(cpus[1:])) * 1e3, "samples_per_s": 1 / float(np.median(walls[1:]))}


def main(source: str, folder: str) -> None:
    from importlib.metadata import version

    torch.set_num_threads(1)
    frames = dict(np.load(source))
    layouts = {"video": measure(frames, Path(folder) / "video")}
    print(json.dumps({"version": version("lerobot"), "layouts": layouts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
