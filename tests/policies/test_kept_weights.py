"""Runs that were trained before go on loading: what a network's weights are called, and their shapes, stay.

Where a change is meant to end that, write the file anew: python tests/policies/test_kept_weights.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from il_robot.policies.catalogue import build
from il_robot.policies.inputs import CameraInput, Inputs
from il_robot.training.presets import PRESETS

KEPT = Path(__file__).with_name("kept_weights.txt")
INPUTS = Inputs(("a", "b", "c"), ("cube",), (CameraInput("high", 96, 128, 2), CameraInput("low", 48, 64)), history=2)


def weights() -> Iterator[str]:
    """A line for each tensor of each policy."""
    for policy, name in PRESETS:
        if name == "tiny-image":
            with torch.device("meta"):
                network = build(PRESETS[policy, name].network, INPUTS)
            for tensor, value in network.state_dict().items():
                yield f"{policy} {tensor} {' '.join(map(str, value.shape))}".rstrip()


def test_weights_keep_their_names_and_shapes() -> None:
    kept, now = set(KEPT.read_text(encoding="utf-8").splitlines()), set(weights())
    assert sorted(kept - now) == [], "runs that have these will not load"
    assert sorted(now - kept) == [], "runs from before lack these"


if __name__ == "__main__":
    KEPT.write_text("\n".join(weights()) + "\n", encoding="utf-8")
