"""The command ``il-robot dataset prune``: the only one that touches the dataset it is given, and it moves only."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from il_robot.episodes.answer import AsJson, answer, tracked
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import SUFFIX
from il_robot.episodes.location import refuse_url
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
    outcome: Literal["unmarked", "success", "failure"] | None = None,
    shorter_s: float = 0.0,
    faulty: bool = False,
    delete: bool = False,
    as_json: AsJson = False,
) -> int:
    """Take episodes out of a dataset: they move to DATASET/.pruned, or are deleted if you say so.

    For example:

        il-robot dataset prune data/cube --outcome failure
        il-robot dataset prune data/cube --shorter-s 2 --faulty --json
        il-robot dataset prune data/cube --episodes 20260101T120000_000 --delete

    Args:
        dataset: the dataset.
        episodes: names of episodes.
        outcome: all episodes of this outcome.
        shorter_s: all episodes shorter than this many seconds.
        faulty: all episodes in which `il-robot dataset validate` finds a fault.
        delete: delete them for good.
        as_json: print JSON for a script instead of a line.
    """
    if not 0 <= shorter_s < math.inf:
        raise BadInput(f"--shorter-s {shorter_s}; allowed: 0 and more")
    refuse_url(dataset, "prune")
    whole = Dataset(dataset)
    known = [episode.id for episode in whole]
    for name in episodes:
        if name not in known:
            raise BadInput(f"{dataset}: no episode {name!r}; {nearest(name, known)}")
    chosen = [
        episode
        for episode in tracked(whole.episodes, "looking")
        if episode.id in episodes
        or episode.outcome == outcome
        or episode.steps < shorter_s * episode.info.fps
        or (faulty and validate_episode(episode.path))
    ]
    try:
        for episode in chosen:
            _move_aside(episode, dataset / (_DOOMED if delete else PRUNED))
        # Also what an interrupted deletion left behind.
        shutil.rmtree(dataset / _DOOMED, ignore_errors=not delete)
    except FileNotFoundError:
        pass  # Nothing was to be deleted.
    except OSError as error:
        raise Fault(f"{dataset}: cannot take episodes out: {error.strerror}") from None
    stay = len(whole) - len(chosen)
    data = {
        "dataset": dataset,
        "taken_out": [episode.id for episode in chosen],
        "moved_to": None if delete else dataset / PRUNED,
        "deleted": delete,
        "stay": stay,
    }
    aside = "deleted" if delete else f"moved to {dataset / PRUNED}"
    answer(as_json, data, f"{len(chosen)} episodes {aside}, {stay} stay")
    return 0


def _move_aside(episode: Episode, aside: Path) -> None:
    """A rename, which leaves the episode whole here or there; a deletion begins with it, too."""
    aside.mkdir(exist_ok=True)
    target, attempt = aside / episode.path.name, 0
    while target.exists():
        attempt += 1
        target = aside / f"{episode.id}_{attempt}{SUFFIX}"
    episode.path.rename(target)
