"""The episodes of a run: several datasets, split for good, each seen as often as it is told to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from il_robot.counted import counted
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.training.alignment import check_related
from il_robot.training.description import rig_of
from il_robot.training.windows import Rows
from il_robot.types import Floats


@dataclass(frozen=True)
class Demonstrations:
    """What may be imitated. With weights the first dataset is the one the policy is for (co-training)."""

    train: tuple[Episode, ...]
    validation: tuple[Episode, ...]
    """With weights: of the first dataset alone."""
    dataset: tuple[int, ...]
    """The number of each training episode's dataset."""
    datasets: tuple[Path, ...]
    weights: tuple[float, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Folder of an episode that cannot be used -> why."""
    failures: tuple[str, ...] = ()
    """Episodes that are left out because they are marked so."""

    def rig(self) -> Rig:
        """The rig that the policy is for. Raises BadInput when the data is of several and no weights were given."""
        if not self.weights:
            return rig_of([*self.train, *self.validation])
        own = [e for e, number in zip(self.train, self.dataset, strict=True) if number == 0]
        rig = rig_of([*own, *self.validation])
        for episode in self.train:
            check_related(episode, rig)
        return rig

    def shares(self, rows: Rows) -> Floats | None:
        """(windows,) how often each window of ``rows`` is to be seen; None: all equally. Raises BadInput when a
        dataset has none."""
        if not self.weights:
            return None
        dataset_N = np.array(self.dataset)[rows.episode_N[rows.starts]]
        windows = np.bincount(dataset_N, minlength=len(self.datasets))
        for path, count in zip(self.datasets, windows, strict=True):
            if not count:
                raise BadInput(f"{path}: nothing to imitate in its training episodes, yet it has a weight")
        shares: Floats = (np.array(self.weights) / windows)[dataset_N]
        return shares


def demonstrations(datasets: Sequence[Path], weights: Sequence[float] = ()) -> Demonstrations:
    """The episodes of ``datasets`` that are not failures. Raises BadInput when none is left to train on."""
    if not datasets:
        raise BadInput("train: name at least one dataset")
    if len({path.resolve() for path in datasets}) < len(datasets):
        raise BadInput(f"a dataset is named twice: {', '.join(map(str, datasets))}; to see it more often use --weights")
    if weights and len(weights) != len(datasets):
        raise BadInput(f"--weights: {len(weights)} for {counted(len(datasets), 'dataset')}; give one for each")
    if not all(0 < weight < math.inf for weight in weights):
        raise BadInput(f"--weights {' '.join(f'{weight:g}' for weight in weights)}: allowed: above 0")
    opened = [Dataset(path) for path in datasets]
    train = [(e, 0) for e in _kept(opened[0].train)]
    for number, dataset in enumerate(opened[1:], start=1):
        # Co-training never validates on others: one that is all validation is not lost.
        train += [(e, number) for e in _kept(dataset.train) or (_kept(dataset.validation) if weights else [])]
    seen = opened[:1] if weights else opened
    validation = [e for dataset in seen for e in _kept(dataset.validation)]
    if not any(number == 0 for _, number in train) if weights else not train:
        train += [(e, 0) for e in validation]
        validation = []
    if not train:
        raise BadInput(f"{', '.join(map(str, datasets))}: every episode is marked a failure: nothing to imitate")
    episodes, numbers = zip(*train, strict=True)
    return Demonstrations(
        episodes,
        tuple(validation),
        numbers,
        tuple(datasets),
        tuple(weights),
        left_out={path: why for dataset in opened for path, why in dataset.left_out_paths.items()},
        failures=tuple(e.id for dataset in opened for e in dataset.episodes if e.outcome == "failure"),
    )


def _kept(episodes: Sequence[Episode]) -> list[Episode]:
    return [episode for episode in episodes if episode.outcome != "failure"]
