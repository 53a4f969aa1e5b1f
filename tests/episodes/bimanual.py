"""A dataset with ALOHA's joints, as small as may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recorded import frames_of, info_of, step_of

from il_robot.episodes.columns import columns
from il_robot.episodes.conversion.aloha_layout import joints
from il_robot.episodes.reader import Episode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Floats

INFO = replace(info_of((("cam_low", 32, 48), ("cam_high", 48, 64))), joints=joints(), task="pour", effort_unit="mA")
GRIPPERS = [6, 13]
STEPS = 20
MISSING = 7
"""``cam_high`` has no frame at this step, and ``cam_low`` shows the one before at the next."""


def dataset(folder: Path, episodes: int = 2, *, clock: str = "system") -> Path:
    """Episodes ``ep_0``, ``ep_1``, ... of STEPS steps, openings between 0.1 and 0.9."""
    for number in range(episodes):
        info = replace(INFO, clock=clock)
        writer = EpisodeWriter.create(folder, info, episode_id=f"ep_{number}", minimum_s=1, sync_s=None)
        for t in range(STEPS):
            step, frames = step_of(info, t + 3 * number), dict(frames_of(info, t + 3 * number))
            seen = replace(step.observation, qpos=openings(step.observation.qpos, t))
            if t == MISSING:
                del frames["cam_high"]
            if t == MISSING + 1:
                frames["cam_low"] = frames_of(info, t - 1 + 3 * number)["cam_low"]
            writer.append(replace(step, observation=seen, action=openings(step.action, t + 1)), frames)
        writer.close("success" if number == 0 else "failure")
    return folder


def assert_nothing_is_lost(before: Episode, after: Episode, *but: str) -> None:
    """An episode that went out and came back: facts, stamps, driver, gate, objects, missing frames, outcome."""
    for column in columns(before.info):
        if column.path not in but:
            assert np.array_equal(after.array(column.path), before.array(column.path), equal_nan=True), column.path
    assert after.recorded.losses == before.recorded.losses
    assert after.outcome == before.outcome
    assert after.info.camera_names == before.info.camera_names
    differing = {"cameras": before.info.cameras, "configuration": before.info.configuration}
    assert replace(after.info, **differing) == before.info


def openings(qpos: Floats, t: int) -> Floats:
    """The same with openings at the grippers."""
    qpos = qpos.copy()
    qpos[GRIPPERS] = 0.1 + 0.8 * t / STEPS
    return qpos


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two images."""
    return float(np.abs(first.astype(int) - second.astype(int)).mean())
