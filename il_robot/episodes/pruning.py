"""The command ``il-robot dataset prune``: the only one that touches the dataset it is given, and it moves only."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
from tyro.conf import Positional

from il_robot.counted import counted
from il_robot.episodes.answer import AsJson, answer, tracked
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.journal import Journal
from il_robot.episodes.layout import JOURNAL, SUFFIX, Outcome, episode_id_of
from il_robot.episodes.location import local_folder
from il_robot.episodes.reader import Episode
from il_robot.episodes.validation import validate_episode
from il_robot.errors import BadInput, Fault, nearest

PRUNED = ".pruned"
"""Folder inside a dataset that holds the episodes moved aside."""
_DOOMED = ".deleted"
"""Folder inside a dataset for episodes on their way out: whatever is in there was to be deleted."""


def prune(
    dataset: Positional[Path],
    /,
    episodes: tuple[str, ...] = (),
    outcome: Outcome | None = None,
    shorter_s: float = 0.0,
    faulty: bool = False,
    delete: bool = False,
    as_json: AsJson = False,
) -> int:
    """Take episodes out of a dataset: they move to DATASET/.pruned, or are deleted if you say so.

    Examples:
        il-robot dataset prune data/cube --outcome failure
        il-robot dataset prune data/cube --shorter-s 2 --faulty --json
        il-robot dataset prune data/cube --episodes 20260101T120000_000 --delete

    Args:
        dataset: the dataset.
        episodes: names of episodes, also of unreadable ones.
        outcome: all episodes of this outcome.
        shorter_s: all episodes shorter than this many seconds.
        faulty: all episodes in which `il-robot dataset validate` finds a fault, but none that can be recovered.
        delete: delete them for good.
        as_json: print JSON for a script instead of a line.
    """
    if not 0 <= shorter_s < math.inf:
        raise BadInput(f"--shorter-s {shorter_s}; allowed: 0 and more")
    dataset = local_folder(dataset, "prune")
    folders = episode_folders(dataset)
    known = [episode_id_of(folder) for folder in folders]
    for name in episodes:
        if name not in known:
            raise BadInput(f"{dataset}: no episode {name!r}; {nearest(name, known)}")
    named = [folder for folder in folders if episode_id_of(folder) in episodes]
    for folder in named:
        if _holds_steps_to_recover(folder):
            Journal(folder, np.dtype(np.uint8)).close()  # refuses while it is being recorded

    def is_meant(folder: Path) -> bool:
        return _is_of(folder, outcome, shorter_s) or (faulty and bool(validate_episode(folder)))

    chosen = [
        folder
        for folder in tracked(folders, "looking")
        if folder in named or (not _holds_steps_to_recover(folder) and is_meant(folder))
    ]
    try:
        for folder in chosen:
            _move_aside(folder, dataset / (_DOOMED if delete else PRUNED))
        # Also what an interrupted deletion left behind.
        if (dataset / _DOOMED).exists():
            shutil.rmtree(dataset / _DOOMED, ignore_errors=not delete)
    except OSError as error:
        raise Fault(f"{dataset}: cannot take episodes out: {error.strerror}") from None
    stay = len(folders) - len(chosen)
    data = {
        "dataset": dataset,
        "taken_out": [episode_id_of(folder) for folder in chosen],
        "moved_to": None if delete else dataset / PRUNED,
        "deleted": delete,
        "stay": stay,
    }
    aside = "deleted" if delete else f"moved to {dataset / PRUNED}"
    answer(as_json, data, f"{counted(len(chosen), 'episode')} {aside}, {stay} stay")
    return 0


def _holds_steps_to_recover(folder: Path) -> bool:
    """Whether it was never closed, or is being recorded: only by its name may it be taken out."""
    try:
        return not Episode(folder).complete and (folder / JOURNAL).exists()
    except BadInput:
        return (folder / JOURNAL).exists()


def _is_of(folder: Path, outcome: Outcome | None, shorter_s: float) -> bool:
    try:
        episode = Episode(folder)
    except BadInput:
        return False  # nobody knows
    recorded = episode.recorded
    return episode.complete and (recorded.outcome == outcome or recorded.steps < shorter_s * episode.info.fps)


def _move_aside(folder: Path, aside: Path) -> None:
    """A rename, which leaves the episode whole here or there; a deletion begins with it, too."""
    aside.mkdir(exist_ok=True)
    target, attempt = aside / folder.name, 0
    while target.exists():
        attempt += 1
        target = aside / f"{episode_id_of(folder)}_{attempt}{SUFFIX}"
    folder.rename(target)
