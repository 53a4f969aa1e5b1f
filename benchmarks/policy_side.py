"""One implementation of a policy, measured in a process of its own: what the sides of every implementation share.

Imported by each interpreter that has one, so it needs torch and numpy and nothing of this project.

Shape legend: B batch, C cameras, S state, k steps of a chunk, J joints.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from peer_side import answer
from torch import Tensor

What = Literal["train", "predict"]

KINDS = (
    ("optimiser", ("adam", "_foreach", "lerp", "multi_tensor")),
    ("fused by the compiler", ("cpp_fused", "triton")),
    ("convolutions", ("convolution", "fprop", "dgrad", "wgrad", "implicit_gemm", "cudnn_")),
    ("attention", ("scaled_dot_product", "bmm", "softmax", "flash", "fmha", "sdpa")),
    ("matrix products", ("addmm", "aten::mm", "linear", "gemm", "cutlass", "nvjet", "splitk")),
    (
        "copies",
        ("copy", "memcpy", "memset", "cat", "contiguous", "stack", "index", "fill", "zero", "nchwtonhwc", "nhwctonchw"),
    ),
    ("norms", ("layer_norm", "group_norm", "batch_norm")),
    ("dropout, random numbers", ("dropout", "bernoulli", "normal_", "rand")),
)
"""Kind of work -> what the names of its operations on a CPU, or its kernels on a GPU, have in them."""
REST = "element by element, the rest"
WAITING = "the GPU has nothing to do"


@dataclass(frozen=True)
class Options:
    """What everyone is asked to compute; the same for all."""

    scene: str
    network: Literal["act", "diffusion"] = "act"
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = 2
    repeats: int = 1
    """Runs in a row of which the median counts. A GPU slows down while it waits for the others' turns."""
    compile: bool = False
    """For us alone: neither peer offers it for ACT."""
    repository: str = ""
    """Where the original ACT lies."""
    decoder_layers: int = 1

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


@dataclass(frozen=True)
class Scene:
    """A batch; one row of it is an observation."""

    state_BS: NDArray[np.float32]
    object_BX: NDArray[np.float32]
    """What is told of objects; X may be 0."""
    images_CBHWC: NDArray[np.uint8]
    action_BkJ: NDArray[np.float32]
    pad_Bk: NDArray[np.bool_]

    @staticmethod
    def read(path: str) -> Scene:
        with np.load(path) as file:
            return Scene(**{name: file[name] for name in file.files})

    def float_images(self, device: str) -> list[Tensor]:
        """Per camera (B, 3, H, W), ImageNet's mean and deviation taken out: ready for the peers, at no cost to them."""
        mean, std = (torch.tensor(row).view(3, 1, 1) for row in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        images = torch.from_numpy(self.images_CBHWC).permute(0, 1, 4, 2, 3) / 255
        return list(((images - mean) / std).contiguous().to(device))


class Implementation(Protocol):
    """Something that learns from a scene's batch and predicts from its first row."""

    @property
    def version(self) -> str:
        """What it is."""
        ...

    @property
    def network(self) -> torch.nn.Module:
        """All of its parameters."""
        ...

    def train(self) -> object:
        """One whole step: forward, backward, clipping, optimiser, and what else its own loop does with the weights."""
        ...

    def predict(self) -> object:
        """A chunk for the batch's first row."""
        ...


class Side:
    """Answers what ``policy_contest.py`` asks."""

    def __init__(self, implementation: Implementation, options: Options) -> None:
        self._of, self._options = implementation, options
        self._ms = 0.0
        """Of a run without the profiler."""

    def open(self) -> dict[str, Any]:
        count = sum(p.numel() for p in self._of.network.parameters() if p.requires_grad)
        return {"version": self._of.version, "parameters": count}

    def time(self, what: What) -> float:
        """Seconds that one step or chunk takes."""
        seconds = []
        for _ in range(self._options.repeats):
            begin = time.perf_counter()
            self._do(what)
            seconds.append(time.perf_counter() - begin)
        self._ms = float(np.median(seconds)) * 1e3
        return self._ms / 1e3

    def profile(self, what: What) -> Mapping[str, float]:
        """Kind of work -> the ms that it takes in one step or chunk, by torch's profiler, all threads' work as one."""
        gpu = self._options.device == "cuda"
        activities = [torch.profiler.ProfilerActivity.CUDA if gpu else torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities) as profiler:
            self._do(what)
        spent: dict[str, float] = defaultdict(float)
        for row in profiler.key_averages():
            spent[_kind(row.key)] += (row.self_device_time_total if gpu else row.self_cpu_time_total) / 1e3
        if gpu:
            spent[WAITING] = max(0.0, self._ms - sum(spent.values()))
        return spent

    def _do(self, what: What) -> None:
        getattr(self._of, what)()
        if self._options.device == "cuda":
            torch.cuda.synchronize()


def _kind(operation: str) -> str:
    low = operation.lower()
    return next((kind for kind, words in KINDS if any(word in low for word in words)), REST)


def serve(make: Callable[[Scene, Options], Implementation]) -> None:
    """Answers for the implementation that ``make`` gives; the script's argument is a file of options in JSON."""

    def side() -> Side:
        options = Options(**json.loads(Path(sys.argv[1]).read_text()))
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        return Side(make(Scene.read(options.scene), options), options)

    answer(side)


def clipped_step(network: torch.nn.Module, loss: Tensor, optimiser: torch.optim.Optimizer, clip: float) -> float:
    """What a plain training loop does with a loss."""
    loss.backward()
    if clip:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    optimiser.zero_grad()
    return cast(float, loss.item())
