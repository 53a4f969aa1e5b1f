"""The folder of a training run: what lies where in it, and which runs lie in a folder. Needs no torch.

::

    RUN/config.json                   policy, configuration, inputs, statistics, rig, recipe, data, software
        metrics.jsonl, curve.png      what happened while training
        checkpoint/last.safetensors   averaged weights at the newest save: what drives
        checkpoint/best.safetensors   the same where most simulated starts held, else at the lowest validation loss
        checkpoint/resume.safetensors weights, optimiser and random state, to go on exactly
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from il_robot.counted import few
from il_robot.errors import BadInput

CONFIG = "config.json"
DEEPEST = 3
"""How far below a named folder runs are looked for."""
WeightsName: TypeAlias = Literal["last", "best"]
WEIGHTS: tuple[WeightsName, ...] = get_args(WeightsName)
"""Those that can drive."""


def weights_path(run: Path, name: str) -> Path:
    return run / "checkpoint" / f"{name}.safetensors"


def check_weights_there(run: Path, weights: WeightsName, use_last: str) -> None:
    """Raises BadInput where no weights of ``run`` were the best; ``use_last``: how the last ones are asked for."""
    if weights == "best" and not weights_path(run, "best").exists() and weights_path(run, "last").exists():
        raise BadInput(
            f"{run}: no checkpoint was the best: there were no validation episodes, and in simulation (--rollouts) "
            f"none held; use {use_last}"
        )


def runs_below(folder: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """The folders of runs, ``folder`` itself or so far below it."""
    if os.path.lexists(folder / CONFIG):  # what cannot be read is told, not passed over
        yield folder
    elif depth:
        for path in folder.iterdir():
            if path.is_dir() and path.suffix != ".zarr":
                yield from runs_below(path, depth - 1)


def why_no_run(folder: Path) -> str:
    """What a folder without a configuration is instead, and which runs in it may have been meant."""
    try:
        inside = sorted(run for run in runs_below(folder) if run != folder)
    except OSError:  # somewhere below nobody may look, so no run of ours is likely to be there
        inside = []
    if inside:
        return f"holds training runs, and is none; name one of the runs in it: {few(list(map(str, inside)))}"
    return f"not a folder that il-robot train made: it has no {CONFIG}"
