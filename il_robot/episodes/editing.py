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

from il_robot.counted import counted
from il_robot.episodes.answer import AsJson, answer, left_out_lines, tracked
from il_robot.episodes.checks.motion import idle_ends
from il_robot.episodes.dataset import VALIDATION_SHARE, Dataset
from il_robot.episodes.location import local_folder, refuse_inside
from il_robot.episodes.reader import Episode
from il_robot.episodes.sameness import holds_steps, same_files
from il_robot.episodes.staging import AlreadyThere, clear_remains, copy_episode, copy_steps
from il_robot.errors import BadInput


@dataclass(frozen=True)
class _Wanted:
    """An episode that belongs into another dataset."""

    episode: Episode
    steps: tuple[int, int] | None = None
    """First and end of those wanted; None: the whole episode, its files as they are."""

    def is_at(self, folder: Path) -> bool:
        """Whether ``folder`` is just that already. Raises BadInput when the episode cannot be read."""
        if self.steps is None:
            return same_files(self.episode.path, folder)
        return holds_steps(folder, self.episode, *self.steps)

    def put(self, out: Path) -> None:
        """Raises AlreadyThere, BadInput when it is damaged, Fault."""
        if self.steps is None:
            copy_episode(self.episode.path, out, self.episode.id)
        else:
            copy_steps(self.episode, *self.steps, out, self.episode.id)


@dataclass
class _Copies:
    """What became of the episodes that belong into the dataset ``out``."""

    out: Path
    left_out: dict[str, str] = field(default_factory=dict)
    """Folder -> why."""
    copied: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)

    def leave_out(self, wanted: _Wanted, why: BadInput) -> None:
        self.left_out[str(wanted.episode.path)] = str(why)

    def take_for_there(self, wanted: _Wanted, there: Path) -> None:
        """Leaves it out when it cannot be read. Raises BadInput when ``there`` is anything else."""
        try:
            same = wanted.is_at(there)
        except BadInput as error:
            self.leave_out(wanted, error)
            return
        if not same:
            what = "another episode of this name" if wanted.steps is None else "another episode, another cut of it"
            source = wanted.episode.path
            do = f"rename {source}, or take it away"
            if wanted.steps is None and "imported" in wanted.episode.info.configuration:
                do += "; or import both into one dataset, which gives each a name of its own"
            raise BadInput(f"{there}: {what} or a damaged copy is there already: {do}")
        self.there.append(wanted.episode.id)

    def data(self) -> dict[str, Any]:
        return {"dataset": self.out, "copied": self.copied, "already_there": self.there, "left_out": self.left_out}

    def __str__(self) -> str:
        return f"{self.out}: {counted(len(self.copied), 'episode')} copied, {len(self.there)} there already"


def merge(sources: Positional[tuple[Path, ...]], /, out: Path, as_json: AsJson = False) -> int:
    """Copy the episodes of several datasets into one; interrupted, it continues when started again.

    An episode that the new dataset has already, byte for byte, is not copied twice; where something else has its name
    nothing is copied. Exit code 1: episodes that are not complete or not readable were left out.

    Examples:
        il-robot dataset merge data/monday data/tuesday --out data/week
        il-robot dataset merge s3://lab/monday data/tuesday --out data/week --json

    Args:
        sources: the datasets.
        out: the dataset to make or to add to.
        as_json: print JSON for a script instead of a line.
    """
    datasets = [Dataset(source) for source in sources]
    if not datasets:
        raise BadInput("merge: name at least one dataset")
    out = local_folder(out, "merge")
    _prepare(sources, out)
    copies = _Copies(out, {path: why for dataset in datasets for path, why in dataset.left_out_paths.items()})
    _bring(_missing([_Wanted(episode) for dataset in datasets for episode in dataset], copies), copies, "copying")
    answer(as_json, copies.data(), "\n".join([*left_out_lines(copies.left_out), str(copies)]))
    return 1 if copies.left_out else 0


def split(dataset: Positional[Path], /, out: Path, share: float = VALIDATION_SHARE, as_json: AsJson = False) -> int:
    """Copy a dataset into OUT/train and OUT/validation, as its fixed split says.

    Exit code 1: episodes that are not complete or not readable were left out.

    Examples:
        il-robot dataset split data/cube --out data/cube_split --share 0.2

    Args:
        dataset: the dataset.
        out: folder to make the two datasets in.
        share: part of the episodes that is for validation.
        as_json: print JSON for a script instead of lines.
    """
    if not 0 < share < 1:
        raise BadInput(f"--share {share:g}; allowed: above 0, below 1")
    whole = Dataset(dataset, share)
    out = local_folder(out, "split")
    sides = {"train": _Copies(out / "train"), "validation": _Copies(out / "validation")}
    missing = {}
    for name, side in sides.items():
        _prepare([dataset], side.out)
        episodes = whole.train if name == "train" else whole.validation
        missing[name] = _missing([_Wanted(episode) for episode in episodes], side)
    for name, side in sides.items():
        _bring(missing[name], side, name)
    left_out = {**whole.left_out_paths, **sides["train"].left_out, **sides["validation"].left_out}
    data = {**{name: side.data() for name, side in sides.items()}, "left_out": left_out}
    answer(as_json, data, "\n".join([*left_out_lines(left_out), *map(str, sides.values())]))
    return 1 if left_out else 0


def trim(
    dataset: Positional[Path],
    /,
    out: Path,
    margin_s: float = 0.5,
    motion: float = 0.01,
    as_json: AsJson = False,
) -> int:
    """Copy a dataset with the idle beginning and end of every episode cut off; interrupted, it can be started again.

    Where something else has the name of an episode, nothing is copied. Exit code 1: episodes that are not complete or
    not readable were left out.

    Examples:
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
    out = local_folder(out, "trim")
    _prepare([dataset], out)
    copies, wanted = _Copies(out, whole.left_out_paths), []
    for episode in whole:
        try:
            wanted.append(_Wanted(episode, _moving(episode, round(margin_s * episode.info.fps), motion)))
        except BadInput as error:
            copies.left_out[str(episode.path)] = str(error)
    _bring(_missing(wanted, copies), copies, "trimming")
    made = [(one.episode.steps, one.steps) for one in wanted if one.steps and one.episode.id in copies.copied]
    before = sum(steps for steps, _ in made)
    cut = before - sum(end - first for _, (first, end) in made)
    data = {**copies.data(), "steps": before, "steps_cut": cut}
    text = f"{copies}; {cut} of {counted(before, 'step')} cut"
    answer(as_json, data, "\n".join([*left_out_lines(copies.left_out), text]))
    return 1 if copies.left_out else 0


def _moving(episode: Episode, margin: int, motion: float) -> tuple[int, int]:
    """First and end of the steps to keep; an episode that never moves is kept whole."""
    head, tail = idle_ends(episode, motion)
    if head + tail >= episode.steps:
        return 0, episode.steps
    return max(0, head - margin), min(episode.steps, episode.steps - tail + margin)


def _missing(wanted: Sequence[_Wanted], copies: _Copies) -> list[_Wanted]:
    """Those that have to be copied yet; nothing is written.

    Raises BadInput when the dataset, or two of the sources, have something else of one name.
    """
    missing: dict[str, _Wanted] = {}
    for one in tracked(wanted, "comparing"):
        there = copies.out / one.episode.path.name
        if one.episode.id in missing:
            there = missing[one.episode.id].episode.path
        elif not there.exists():
            missing[one.episode.id] = one
            continue
        copies.take_for_there(one, there)
    return list(missing.values())


def _bring(missing: Sequence[_Wanted], copies: _Copies, what: str) -> None:
    for one in tracked(missing, what):
        try:
            one.put(copies.out)
            copies.copied.append(one.episode.id)
        except AlreadyThere:  # Another command has made it meanwhile.
            copies.take_for_there(one, copies.out / one.episode.path.name)
        except BadInput as error:
            copies.leave_out(one, error)


def _prepare(sources: Sequence[Path], out: Path) -> None:
    """Throw away what an interrupted run left in ``out``. Raises BadInput where it must not be written to."""
    refuse_inside(out, sources)
    clear_remains(out)
