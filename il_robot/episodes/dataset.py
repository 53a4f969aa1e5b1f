"""A dataset: a folder of episodes, local or at a URL, split once and for all, with statistics that follow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from il_robot.episodes.layout import SUFFIX
from il_robot.episodes.location import location
from il_robot.episodes.reader import Episode
from il_robot.episodes.statistics import Statistics, cached_statistics
from il_robot.errors import BadInput

Split: TypeAlias = Literal["train", "validation", "all"]

VALIDATION_SHARE = 0.1


class Dataset:
    """The complete episodes of a folder, in the order of their names."""

    def __init__(self, path: Path | str, validation_share: float = VALIDATION_SHARE) -> None:
        """Open every episode (attributes only); what cannot be used is in :attr:`left_out`.

        Raises BadInput when ``path`` is no folder, holds no episode, or none that can be used.
        """
        self.path = location(path)
        self.validation_share = validation_share
        self.episodes: list[Episode] = []
        self.left_out: dict[str, str] = {}
        """Name of the folder -> why it is left out."""
        for folder in episode_folders(self.path):
            try:
                episode = Episode(folder)
            except BadInput as error:
                self.left_out[folder.name] = str(error)
                continue
            if not episode.complete:
                self.left_out[folder.name] = f"not complete: il-robot dataset recover {self.path}"
            elif episode.steps == 0:
                self.left_out[folder.name] = "holds no step"
            else:
                self.episodes.append(episode)
        if not self.episodes:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(self.left_out.items())[:3])
            raise BadInput(f"{self.path}: no episode can be used, of {len(self.left_out)}: {reasons}")

    def __len__(self) -> int:
        return len(self.episodes)

    def __iter__(self) -> Iterator[Episode]:
        return iter(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]

    @property
    def left_out_paths(self) -> dict[str, str]:
        """:attr:`left_out` by the whole path of the folder."""
        return {str(self.path / name): why for name, why in self.left_out.items()}

    @property
    def train(self) -> list[Episode]:
        return self.split("train")

    @property
    def validation(self) -> list[Episode]:
        """Empty when no episode falls into the share, as may happen in a small dataset."""
        return self.split("validation")

    def split(self, name: Split) -> list[Episode]:
        """The episodes of one split. An episode's side follows from its name, so adding others never moves it."""
        if name == "all":
            return list(self.episodes)
        wanted = name == "validation"
        return [e for e in self.episodes if is_validation(e.id, self.validation_share) == wanted]

    def statistics(self, split: Split = "train") -> Statistics:
        """Mean, deviation and range of every vector over a split; computed anew only when its episodes changed.

        Where all episodes fall into validation the whole dataset is used.
        """
        episodes = self.split(split) or self.episodes
        return cached_statistics(self.path / f"statistics.{split}.json", episodes)


def episode_folders(dataset: Path) -> list[Path]:
    """The folders ``*.zarr`` in ``dataset`` in order. Raises BadInput when there are none."""
    dataset = location(dataset)
    if not dataset.exists():
        raise BadInput(f"{dataset}: no such dataset")
    if not dataset.is_dir() or (dataset / "zarr.json").exists():
        raise BadInput(f"{dataset}: not a dataset: that is a folder of episodes NAME{SUFFIX}")
    # What begins with a dot is being made or thrown away.
    named = (path for path in dataset.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith("."))
    folders = sorted((path for path in named if path.is_dir()), key=lambda path: path.name)
    if not folders:
        raise BadInput(f"{dataset}: not a dataset: it holds no episode (a folder NAME{SUFFIX})")
    return folders


def is_validation(episode_id: str, share: float) -> bool:
    """Whether the episode of this name belongs to the validation split: a fixed share of all possible names."""
    digest = hashlib.sha256(episode_id.encode()).digest()
    return int.from_bytes(digest[:8], "little") < share * 2**64
