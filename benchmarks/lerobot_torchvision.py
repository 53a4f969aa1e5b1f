"""Has torchvision import beside a torch it was not built for, as LeRobot's environment may hold them."""

from __future__ import annotations

import sys

import torch

_kept: list[object] = []


def import_torchvision() -> None:
    """torchvision beside a CPU-only torch lacks two operators, which nothing measured here calls: they are declared."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # It ends with the object.
