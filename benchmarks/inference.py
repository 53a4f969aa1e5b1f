"""One chunk of a policy: ACT as published from four cameras beside its peers, and diffusion at ``tiny``.

    python benchmarks/inference.py --lerobot-python /path/to/venv/bin/python --act-repo /path/to/act
    python benchmarks/inference.py --device cuda --precision bf16 --compiled --limit-ms 5

Ours goes from the cameras' bytes to joint targets in rad, the way a robot is driven; the peers go from floats, already
normalised, to what their network says. Diffusion samples ten steps of DDIM for 50 actions from joints and an object,
LeRobot's with as many channels (its network has two blocks where ours has one). See ``train.py`` for where the peers
come from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import tyro
from policy_contest import Case, Peers, contest, show
from policy_side import Options

from il_robot.training.recipe import Precision


def main(
    lerobot_python: Path | None = None,
    act_repo: Path | None = None,
    cameras: int = 4,
    height: int = 480,
    width: int = 640,
    rounds: int = 9,
    threads: int = 2,
    device: str = "cpu",
    precision: Precision = "fp32",
    compiled: bool = False,
    goal: float = 2.0,
    limit_ms: float = 0.0,
    diffusion_ms: float = 100.0,
    limit_s: float = 300.0,
) -> None:
    """Run the comparison.

    Args:
        lerobot_python: the interpreter of an environment that LeRobot is installed in.
        act_repo: a clone of the original ACT.
        cameras: that ACT looks at.
        height: of an image.
        width: of an image.
        rounds: how often everyone predicts after two to warm up; medians count.
        threads: of everyone, on the CPU.
        device: cpu or cuda.
        precision: of everyone; bf16 is autocast.
        compiled: ours once more through torch.compile, as ``il-robot evaluate --compile`` has it; it counts then.
        goal: how many times faster than each peer ACT is to be.
        limit_ms: longest that ACT may take, compiled where that is asked for; 0: nothing is asked.
        diffusion_ms: longest that diffusion may take.
        limit_s: whoever takes longer for a chunk is out.
    """
    repeats = 20 if device == "cuda" else 1
    options = Options("", "act", device, precision, threads, repeats)
    peers = Peers(lerobot_python, act_repo, compiled=compiled)
    case = Case(cameras, height, width, batch=1)
    rows, notes = contest(case, options, peers, "predict", rounds, limit_s)
    show(f"ACT, one chunk, {case.title}, {precision} on {device}", rows, notes, goal, limit_ms)
    case = Case(0, 0, 0, batch=1, chunk=50, objects=1)
    options = replace(options, network="diffusion")
    rows, notes = contest(case, options, peers, "predict", 3 * rounds, limit_s)
    title = f"diffusion, one chunk, ten DDIM steps, {case.title}, {precision} on {device}"
    show(title, rows, notes, limit_ms=diffusion_ms)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
