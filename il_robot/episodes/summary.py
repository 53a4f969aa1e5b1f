"""What a dataset holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from il_robot.episodes.dataset import Dataset
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput


@dataclass(frozen=True)
class EpisodeSummary:
    """One episode."""

    name: str
    steps: int
    seconds: float
    rate_hz: float
    """As measured from the stamps of the steps."""
    outcome: str
    interventions: int
    missing: dict[str, int]
    """Camera name -> steps without a frame."""
    repeated: dict[str, int]
    skipped: dict[str, int]
    size_bytes: int
    task: str
    operator: str
    policy: str
    calibration: str
    """Digest of the rig's calibration; empty: none, or not known."""
    recovered: bool
    fault: str


@dataclass(frozen=True)
class DatasetSummary:
    """A whole dataset."""

    dataset: str
    episodes: list[EpisodeSummary]
    left_out: dict[str, str]
    """Folder -> why it is left out."""
    unreadable: dict[str, str]
    """Name of an episode with damaged stamps or interventions -> the damage."""

    @property
    def steps(self) -> int:
        return sum(episode.steps for episode in self.episodes)

    @property
    def minutes(self) -> float:
        return sum(episode.seconds for episode in self.episodes) / 60

    @property
    def size_bytes(self) -> int:
        return sum(episode.size_bytes for episode in self.episodes)

    @property
    def outcomes(self) -> dict[str, int]:
        return dict(Counter(episode.outcome for episode in self.episodes))

    @property
    def calibrations(self) -> dict[str, int]:
        """Digest -> episodes recorded under it, in the order of recording; unknown ones are left out."""
        return dict(Counter(episode.calibration for episode in self.episodes if episode.calibration))

    @property
    def frames(self) -> dict[str, int]:
        """missing, repeated, skipped and lost over all episodes and cameras: see ``docs/episode-format.md``."""
        words = ("missing", "repeated", "skipped")
        counts = {word: sum(sum(getattr(episode, word).values()) for episode in self.episodes) for word in words}
        return {**counts, "lost": counts["missing"] + counts["skipped"]}


def summarise(path: Path) -> DatasetSummary:
    """The numbers of every complete episode. Raises BadInput when ``path`` is not a dataset."""
    dataset = Dataset(path)
    summary = DatasetSummary(str(path), [], dataset.left_out, {})
    for episode in dataset:
        try:
            summary.episodes.append(summarise_episode(episode))
        except BadInput as error:
            summary.unreadable[episode.id] = str(error).removeprefix(f"{episode.path}/")
    return summary


def summarise_episode(episode: Episode) -> EpisodeSummary:
    """The numbers of one episode; reads its stamps and interventions. Raises BadInput when these are damaged."""
    stamps = episode.step_ns
    span = (int(stamps[-1]) - int(stamps[0])) / 1e9 if len(stamps) > 1 else 0.0
    losses = episode.recorded.losses
    return EpisodeSummary(
        name=episode.id,
        steps=episode.steps,
        seconds=episode.steps / episode.info.fps,
        rate_hz=(episode.steps - 1) / span if span > 0 else episode.info.fps,
        outcome=episode.outcome,
        interventions=int(np.count_nonzero(np.unique(episode.intervention))),
        missing={name: loss.missing for name, loss in losses.items()},
        repeated={name: loss.repeated for name, loss in losses.items()},
        skipped={name: loss.skipped for name, loss in losses.items()},
        size_bytes=sum(file.stat().st_size for file in episode.path.rglob("*") if file.is_file()),
        task=episode.info.task,
        operator=episode.info.operator,
        policy=episode.info.policy,
        calibration=episode.info.calibration,
        recovered=episode.recorded.recovered,
        fault=episode.recorded.fault,
    )
