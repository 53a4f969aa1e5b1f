"""How a network is trained: all that a run can be told besides the network itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from il_robot.errors import BadInput

Precision: TypeAlias = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_WHOLE = {
    "steps": (1, 10**9),
    "batch": (1, 65_536),
    "warm_up": (0, 10**9),
    "threads": (0, 1024),
    "accumulate": (1, 65_536),
    "workers": (0, 1024),
    "rollouts": (0, 100_000),
}
"""Setting -> least and most: beyond them a mistyped number takes the machine down instead of being told."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of what is seen in training, so that a policy does not cling to it. 0 leaves one out."""

    shift: float = 0.0
    """Farthest that an image is moved, as a share of its height and width; the gap repeats the edge."""
    colour: float = 0.0
    """Most that brightness, contrast and saturation are changed, as a share."""
    hide: float = 0.0
    """Share of the windows whose state (joints, object poses) reads as its mean, so that images must tell."""

    def __post_init__(self) -> None:
        for what, share in (("shift", self.shift), ("colour", self.colour), ("hide", self.hide)):
            if not 0 <= share < 1:
                raise BadInput(f"augmentation: {what} {share}; allowed: 0 to below 1")


@dataclass(frozen=True)
class Recipe:
    """AdamW, linear warm-up, cosine to zero, gradient clipping, averaged weights; and how it is computed."""

    steps: int = 2000
    batch: int = 64
    """Windows per step, of all processes and accumulated parts together."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    """Steps over which the learning rate rises from 0."""
    clip: float = 10.0
    """Largest norm of the gradient."""
    average: float = 0.995
    """Decay of the exponential average of the weights; the average is what drives."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    imagenet: str = ""
    """File of torchvision's resnet18 weights (safetensors) that image encoders start from; empty: random weights."""
    threads: int = 1
    """CPU threads; more than one finishes sooner but costs more CPU time in total for small networks."""
    accumulate: int = 1
    """Parts that a batch is computed in, one after another, where it does not fit the memory at once."""
    precision: Precision = "fp32"
    """bf16: matrix products and convolutions in bfloat16, weights and sums in float32."""
    compile: bool = False
    """Whether torch.compile makes one program of the network; a minute or more before the first step."""
    channels_last: bool = False
    """Convolutions' weights in the order that a GPU's tensor cores like."""
    workers: int = 0
    """Processes that decode images while training, straight from the episodes; 0: all are decoded once before and
    kept at the policy's resolution."""
    rollouts: int = 0
    """Fresh starts driven in simulation at every save, which decide what is best; 0: the validation loss does."""

    def __post_init__(self) -> None:
        for name, (least, most) in _WHOLE.items():
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"{name} {getattr(self, name)}; allowed: {least} to {most}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} {getattr(self, name)}; allowed: above 0 and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise BadInput(f"weight_decay {self.weight_decay}; allowed: 0 and more, finite")
        if not 0 <= self.average < 1:
            raise BadInput(f"average {self.average}; allowed: 0 (the newest weights alone) to below 1")
        if self.batch % self.accumulate:
            raise BadInput(f"a batch of {self.batch} cannot be cut into {self.accumulate} equal parts")
