"""The commands ``il-robot dataset merge | split | trim``. Sources are never altered: copies are made.

Interrupted at any moment, each leaves whole episodes only, and goes on where it was when started again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from il_robot.episodes.answer import AsJson, answer, tracked
from il_robot.episodes.attributes import read_attributes
from il_robot.episodes.checks.motion import idle_ends
from il_robot.episodes.dataset import VALIDATION_SHARE, Dataset
from il_robot.episodes.location import refuse_url
from il_robot.episodes.reader import Episode
from il_robot.episodes.staging import clear_remains, copy_episode, copy_steps, cut_of
from il_robot.errors import BadInput


@dataclass
class _Copies:
    """What became of the episodes that belong into the dataset ``out``."""

    out: Path
    copied: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)

    def add(self, episode: Episode, is_new: bool) -> None:
        (self.copied if is_new else self.there).append(episode.id)

    def data(self) -> dict[str, Any]:
        return {"dataset": self.out, "copied": self.copied, "already_there": self.there}

    def __str__(self) -> str:
        return f"{self.out}: {len(self.copied)} episodes copied, {len(self.there)} were there already"


def merge(sources: Positional[tuple[Path, ...]], /, out: Path, as_json: AsJson = False) -> int:
    """Copy the episodes of several datasets into one; interrupted, it continues when started again.

    An episode whose name the new dataset already has is left out if it is the same recording, and refused otherwise.

    For example:

        il-robot dataset merge data/monday data/tuesday --out data/week
        il-robot dataset merge s3://lab/monday data/tuesday --out data/week --json

    Args:
        sources: the datasets.
        out: the dataset to make or to add to.
        as_json: print JSON for a script instead of a line.
    """
    episodes = [episode for source in sources for episode in Dataset(source)]
    if not episodes:
        raise BadInput("merge: name at least one dataset")
    _prepare(sources, out)
    copies = _Copies(out)
    for episode in tracked(episodes, "copying"):
        copies.add(episode, _copy_once(episode, out))
    answer(as_json, copies.data(), str(copies))
    return 0


def split(dataset: Positional[Path], /, out: Path, share: float = VALIDATION_SHARE, as_json: AsJson = False) -> int:
    """Copy a dataset into OUT/train and OUT/validation, as its fixed split says.

    For example:

        il-robot dataset split data/cube --out data/cube_split --share 0.2

    Args:
        dataset: the dataset.
        out: folder to make the two datasets in.
        share: part of the episodes that is for validation.
        as_json: print JSON for a script instead of lines.
    """
    if not 0 < share < 1:
        raise BadInput(f"share {share} is not between 0 and 1")
    whole = Dataset(dataset, share)
    sides = {}
    for name, episodes in (("train", whole.train), ("validation", whole.validation)):
        _prepare([dataset], out / name)
        sides[name] = _Copies(out / name)
        for episode in tracked(episodes, name):
            sides[name].add(episode, _copy_once(episode, out / name))
    answer(as_json, {name: side.data() for name, side in sides.items()}, "\n".join(map(str, sides.values())))
    return 0


def trim(
    dataset: Positional[Path],
    /,
    out: Path,
    margin_s: float = 0.5,
    motion: float = 0.01,
    as_json: AsJson = False,
) -> int:
    """Copy a dataset with the idle beginning and end of every episode cut off; interrupted, it can be started again.

    For example:

        il-robot dataset trim data/cube --out data/cube_trimmed --margin-s 0.2

    Args:
        dataset: the dataset.
        out: the dataset to make or to add to.
        margin_s: how much of the stand is kept at either end [s].
        motion: a command that leaves its place by less than this [rad, opening] is a stand.
        as_json: print JSON for a script instead of a line.
    """
    for name, value in (("margin-s", margin_s), ("motion", motion)):
        if not 0 <= value < math.inf:
            raise BadInput(f"--{name} {value}; allowed: 0 and more")
    whole = Dataset(dataset)
    _prepare([dataset], out)
    copies, before, after = _Copies(out), 0, 0
    for episode in tracked(whole.episodes, "trimming"):
        first, end = _moving(episode, round(margin_s * episode.info.fps), motion)
        is_new = _cut_once(episode, first, end, out)
        copies.add(episode, is_new)
        if is_new:
            before, after = before + episode.steps, after + end - first
    data = {**copies.data(), "steps": before, "steps_cut": before - after}
    answer(as_json, data, f"{copies}; {before - after} of {before} steps cut")
    return 0


def _moving(episode: Episode, margin: int, motion: float) -> tuple[int, int]:
    """First and end of the steps to keep; an episode that never moves is kept whole."""
    head, tail = idle_ends(episode, motion)
    if head + tail >= episode.steps:
        return 0, episode.steps
    return max(0, head - margin), min(episode.steps, episode.steps - tail + margin)


def _copy_once(episode: Episode, out: Path) -> bool:
    """False when ``out`` has this very recording already. Raises BadInput when it has another of that name."""
    there = out / episode.path.name
    if there.exists():
        if (there / "zarr.json").read_bytes() == (episode.path / "zarr.json").read_bytes():
            return False
        raise BadInput(f"{there}: another episode of this name is there already: rename {episode.path}")
    copy_episode(episode.path, out, episode.id)
    return True


def _cut_once(episode: Episode, first: int, end: int, out: Path) -> bool:
    """False when ``out`` has this very cut already. Raises BadInput when it has something else of that name."""
    there = out / episode.path.name
    if there.exists():
        info = read_attributes(there)[0]
        cut = cut_of(episode, first, end)
        if (info.recorded_at, info.configuration.get("cut")) == (episode.info.recorded_at, cut):
            return False
        raise BadInput(f"{there}: another episode, or another cut of it, is there already: give another folder")
    copy_steps(episode, first, end, out, episode.id)
    return True


def _prepare(sources: Sequence[Path], out: Path) -> None:
    """Throw away what an interrupted run left in ``out``. Raises BadInput where it must not be written to."""
    refuse_url(out, "copies")
    for source in sources:
        if out.resolve() == source.resolve():
            raise BadInput(f"{out}: is the source itself: give another folder")
    clear_remains(out)
