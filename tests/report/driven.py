"""Small whole loops to report on, written by the real episode writer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import CameraInfo, EpisodeInfo, JointInfo
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Frame, Mode, Observation, Step

PERIOD_NS = 20_000_000
START_NS = 1_700_000_000_000_000_000
CAMERAS = ("cam_high", "cam_wrist")
INFO = EpisodeInfo(
    fps=50.0,
    joints=(
        JointInfo("left_waist", "rad", -3.0, 3.0, 3.0),
        JointInfo("left_elbow", "rad", -3.0, 3.0, 3.0),
        JointInfo("left_gripper", "opening", 0.0, 1.0, 5.0),
    ),
    followers=("follower_left",),
    cameras=tuple(CameraInfo(name, 24, 32) for name in CAMERAS),
    rig="test",
    task="transfer_cube",
    operator="<b>Ada & Co</b>",
)
ALLOWED = 3.0 / 50.0
"""[rad] a command may move in one tick."""


def modes_of(steps: int, press: int, drives: int, back: int) -> list[tuple[Mode, int]]:
    """(mode, intervention) of each step: pressed at ``press``, the human from ``drives`` to before ``back``."""
    robot, human, change = (Mode.ROBOT, 0), (Mode.HUMAN, 1), (Mode.TRANSITION, 1)
    return [
        robot if t < press else change if t < drives else human if t < back else change if t < back + 3 else robot
        for t in range(steps)
    ]


def record(
    dataset: Path,
    name: str,
    *,
    late_ns: list[int],
    clock: Literal["system", "simulated"] = "system",
    modes: list[tuple[Mode, int]] | None = None,
    jump_at: int | None = None,
    lost: tuple[int, ...] = (),
) -> Path:
    """An episode of len(late_ns) steps, each so long after its deadline.

    The elbow moves by half the velocity limit in each step, by all of it at ``jump_at``; the high camera's frames of
    the steps ``lost`` are missing; frames are 8 ms old, the wrist's 9 ms.
    """
    info = replace(INFO, clock=clock)
    writer = EpisodeWriter.create(dataset, info, episode_id=name, minimum_s=1, sync_s=None)
    elbow = 0.0
    for t, late in enumerate(late_ns):
        elbow += ALLOWED if t == jump_at else ALLOWED / 2
        qpos = np.array([0.0, elbow, t % 2], np.float32)
        tick = START_NS + t * PERIOD_NS + PERIOD_NS // 2 + late
        mode, intervention = modes[t] if modes else (Mode.DEMONSTRATION, 0)
        image = np.full((24, 32, 3), (7 * t) % 250, np.uint8)
        frames = {
            camera: Frame(encode(image), tick - age, t)
            for camera, age in zip(CAMERAS, (8_000_000, 9_000_000), strict=True)
            if not (t in lost and camera == "cam_high")
        }
        seen = Observation(qpos, tick - 5_000_000)
        writer.append(Step(tick, seen, (tick - 5_000_000,), qpos, qpos, mode, intervention), frames)
    return writer.close("success")


def evaluation(path: Path, **changes: Any) -> Path:
    """What ``il-robot evaluate --json`` prints."""

    def share(count: int) -> dict[str, float]:
        return {"count": count, "of": 50, "rate": count / 50, "low": 0.81, "high": 0.97}

    data = {
        **{"run": "runs/act", "policy": "act", "task": "transfer_cube", "seed": 0, "execution": {"how": "ensemble"}},
        **{"held": share(46), "success": share(47), "crash": share(1), "stall": share(2)},
        "milestones": {"touch": share(50), "lift": share(48)},
        "outcomes": [],
        **changes,
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return path
