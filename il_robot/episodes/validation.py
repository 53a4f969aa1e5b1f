"""Finds every fault of a dataset: damaged files, bad timing, bad pictures, impossible motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from il_robot.episodes.checks.finding import Finding, Tolerances
from il_robot.episodes.checks.motion import check_motion
from il_robot.episodes.checks.pictures import check_pictures
from il_robot.episodes.checks.storage import check_storage
from il_robot.episodes.checks.timing import check_timing
from il_robot.episodes.checks.values import check_values
from il_robot.episodes.dataset import episode_folders
from il_robot.episodes.layout import episode_id_of
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput


def validate_episode(path: Path, bounds: Tolerances | None = None) -> list[Finding]:
    """Every fault of one episode. Never raises for what the episode holds: damage is a finding too."""
    bounds = bounds or Tolerances()
    name = episode_id_of(path)
    try:
        episode = Episode(path)
    except BadInput as error:
        return [Finding(name, "episode", "unreadable", str(error))]
    if not episode.complete:
        text = f"not complete: il-robot dataset recover {path.parent}"
        return [Finding(name, "episode", "incomplete", text)]
    if episode.steps == 0:
        return [Finding(name, "episode", "empty", "holds no step")]
    findings = list(check_storage(episode))
    arrays_damaged = any(finding.kind == "checksum" for finding in findings)
    if not arrays_damaged:
        with np.errstate(all="ignore"):  # Numbers that are none are findings, not warnings.
            findings += check_values(episode)
            findings += check_timing(episode, bounds)
            findings += check_motion(episode, bounds)
            findings += check_pictures(episode, bounds)
    return findings


def validate_dataset(
    dataset: Path, bounds: Tolerances | None = None, done: Callable[[str], None] = lambda episode: None
) -> list[Finding]:
    """Every fault of every episode; ``done`` is told of each episode looked at. Raises BadInput for no dataset."""
    findings: list[Finding] = []
    folders = episode_folders(dataset)
    for folder in folders:
        findings += validate_episode(folder, bounds)
        done(folder.name)
    return findings + list(_changed_calibrations(folders))


def _changed_calibrations(folders: Sequence[Path]) -> Iterator[Finding]:
    """Each episode from which on a dataset was recorded under another calibration: its numbers may mean otherwise."""
    before = ""
    for folder in folders:
        try:
            now = Episode(folder).info.calibration
        except BadInput:
            continue  # found unreadable before
        if now and before and now != before:
            text = f"recorded under another calibration ({now[:8]}) than the episode before it ({before[:8]})"
            yield Finding(episode_id_of(folder), "episode", "calibration", text)
        before = now or before
