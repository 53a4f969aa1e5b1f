"""One training step of ACT as published: this project beside LeRobot and the original, same tensors, same sizes.

    python benchmarks/train.py --lerobot-python /path/to/venv/bin/python --act-repo /path/to/act
    python benchmarks/train.py --cameras 1 --height 96 --width 96 --rounds 9
    python benchmarks/train.py --device cuda --precision bf16 --compiled --batch 64 --goal 3

Ours starts from images as bytes and keeps an average of the weights; the peers start from floats, already normalised,
and do what their own training scripts do. LeRobot comes by pip, into an environment of its own; the original ACT
cannot be installed: clone https://github.com/tonyzhaozh/act, which is run by the same interpreter (it needs
torchvision).
"""

from __future__ import annotations

from pathlib import Path

import tyro
from policy_contest import Case, Peers, contest, show
from policy_side import Options

from il_robot.training.recipe import Precision


def main(
    lerobot_python: Path | None = None,
    act_repo: Path | None = None,
    cameras: int = 4,
    height: int = 120,
    width: int = 160,
    batch: int = 8,
    rounds: int = 7,
    threads: int = 2,
    device: str = "cpu",
    precision: Precision = "fp32",
    compiled: bool = False,
    published: bool = False,
    goal: float = 1.3,
    limit_s: float = 600.0,
) -> None:
    """Run the comparison.

    Args:
        lerobot_python: the interpreter of an environment that LeRobot is installed in.
        act_repo: a clone of the original ACT.
        cameras: of a window.
        height: of an image.
        width: of an image.
        batch: windows per step.
        rounds: how often everyone takes a step after two to warm up; medians count.
        threads: of everyone, on the CPU.
        device: cpu or cuda.
        precision: of everyone; bf16 is autocast.
        compiled: ours once more through torch.compile, as ``il-robot train --compile yes`` has it; it counts then.
        published: the original once more with its seven decoder layers, of which the loss sees one.
        goal: how many times faster than each peer we want to be.
        limit_s: whoever takes longer for a step is out.
    """
    case = Case(cameras, height, width, batch)
    options = Options("", "act", device, precision, threads, repeats=10 if device == "cuda" else 1)
    peers = Peers(lerobot_python, act_repo, published, compiled)
    rows, notes = contest(case, options, peers, "train", rounds, limit_s)
    show(f"ACT, one training step, {case.title}, {precision} on {device}", rows, notes, goal)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
