"""The commands ``il-robot dataset merge | split | prune | trim``. Sources are never altered: copies are made.

Only ``prune`` touches the dataset it is given: it moves episodes aside, or deletes them when told to.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import track
from tyro.conf import Positional

from il_robot.episodes.checks.motion import idle_ends
from il_robot.episodes.dataset import VALIDATION_SHARE, Dataset
from il_robot.episodes.layout import SUFFIX
from il_robot.episodes.reader import Episode
from il_robot.episodes.staging import copy_episode, copy_steps
from il_robot.episodes.validation import validate_episode
from il_robot.errors import BadInput, nearest

PRUNED = ".pruned"
"""Folder inside a dataset that holds the episodes moved aside."""


def merge(sources: Positional[tuple[Path, ...]], /, out: Path) -> int:
    """Copy the episodes of several datasets into one; interrupted, it continues when started again.

    An episode whose name the new dataset already has is left out if it is the same recording, and refused otherwise.

    For example:

        il-robot dataset merge data/monday data/tuesday --out data/week

    Args:
        sources: the datasets.
        out: the dataset to make or to add to.
    """
    episodes = [episode for source in sources for episode in Dataset(source)]
    if not episodes:
        raise BadInput("merge: name at least one dataset")
    _refuse_overlap(sources, out)
    copied = sum(_copy_once(episode, out) for episode in _tracked(episodes, "copying"))
    print(f"{out}: {copied} episodes copied, {len(episodes) - copied} were there already")
    return 0


def split(dataset: Positional[Path], /, out: Path, share: float = VALIDATION_SHARE) -> int:
    """Copy a dataset into OUT/train and OUT/validation, as its fixed split says.

    For example:

        il-robot dataset split data/cube --out data/cube_split --share 0.2

    Args:
        dataset: the dataset.
        out: folder to make the two datasets in.
        share: part of the episodes that is for validation.
    """
    if not 0 < share < 1:
        raise BadInput(f"share {share} is not between 0 and 1")
    whole = Dataset(dataset, share)
    _refuse_overlap([dataset], out)
    sides = {"train": whole.train, "validation": whole.validation}
    for name, episodes in sides.items():
        for episode in _tracked(episodes, name):
            _copy_once(episode, out / name)
    print(", ".join(f"{out / name}: {len(episodes)} episodes" for name, episodes in sides.items()))
    return 0


def prune(
    dataset: Positional[Path],
    /,
    episodes: tuple[str, ...] = (),
    outcome: Literal["unmarked", "success", "failure"] | None = None,
    shorter_s: float = 0.0,
    faulty: bool = False,
    delete: bool = False,
) -> int:
    """Take episodes out of a dataset: they move to DATASET/.pruned, or are deleted if you say so.

    For example:

        il-robot dataset prune data/cube --outcome failure
        il-robot dataset prune data/cube --shorter-s 2 --faulty
        il-robot dataset prune data/cube --episodes 20260101T120000_000 --delete

    Args:
        dataset: the dataset.
        episodes: names of episodes.
        outcome: all episodes of this outcome.
        shorter_s: all episodes shorter than this many seconds.
        faulty: all episodes in which `il-robot dataset validate` finds a fault.
        delete: delete them for good.
    """
    if not 0 <= shorter_s < math.inf:
        raise BadInput(f"--shorter-s {shorter_s}; allowed: 0 and more")
    whole = Dataset(dataset)
    known = [episode.id for episode in whole]
    for name in episodes:
        if name not in known:
            raise BadInput(f"{dataset}: no episode {name!r}; {nearest(name, known)}")
    chosen = [
        episode
        for episode in _tracked(whole.episodes, "looking")
        if episode.id in episodes
        or episode.outcome == outcome
        or episode.steps < shorter_s * episode.info.fps
        or (faulty and validate_episode(episode.path))
    ]
    for episode in chosen:
        _take_out(episode, delete)
    aside = "deleted" if delete else f"moved to {dataset / PRUNED}"
    print(f"{len(chosen)} episodes {aside}, {len(whole) - len(chosen)} stay")
    return 0


def trim(
    dataset: Positional[Path],
    /,
    out: Path,
    margin_s: float = 0.5,
    motion: float = 0.01,
) -> int:
    """Copy a dataset with the idle beginning and end of every episode cut off.

    For example:

        il-robot dataset trim data/cube --out data/cube_trimmed --margin-s 0.2

    Args:
        dataset: the dataset.
        out: the dataset to make.
        margin_s: how much of the stand is kept at either end [s].
        motion: a command that leaves its place by less than this [rad, opening] is a stand.
    """
    for name, value in (("margin-s", margin_s), ("motion", motion)):
        if not 0 <= value < math.inf:
            raise BadInput(f"--{name} {value}; allowed: 0 and more")
    whole = Dataset(dataset)
    _refuse_overlap([dataset], out)
    before = after = 0
    for episode in _tracked(whole.episodes, "trimming"):
        first, end = _moving(episode, round(margin_s * episode.info.fps), motion)
        before, after = before + episode.steps, after + end - first
        if not (out / episode.path.name).exists():
            copy_steps(episode, first, end, out, episode.id)
    print(f"{out}: {len(whole)} episodes, {before - after} of {before} steps cut")
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


def _take_out(episode: Episode, delete: bool) -> None:
    aside = episode.path.parent / PRUNED
    aside.mkdir(exist_ok=True)
    target, attempt = aside / episode.path.name, 0
    while target.exists():
        attempt += 1
        target = aside / f"{episode.id}_{attempt}{SUFFIX}"
    # Also a deletion begins with this rename: interrupted, it leaves no half episode in the dataset.
    episode.path.rename(target)
    if delete:
        shutil.rmtree(target)
        if not any(aside.iterdir()):
            aside.rmdir()


def _refuse_overlap(sources: Sequence[Path], out: Path) -> None:
    for source in sources:
        if out.resolve() == source.resolve():
            raise BadInput(f"{out}: is the source itself: give another folder")


def _tracked(episodes: Sequence[Episode], what: str) -> Iterable[Episode]:
    """The same, with a progress bar on the error stream."""
    console = Console(stderr=True)
    return track(episodes, what, console=console, transient=True, disable=not console.is_terminal)
