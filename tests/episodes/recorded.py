"""Small episodes to test with, made by the real writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from il_robot.episodes.checks.finding import Finding
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import CameraInfo, EpisodeInfo, JointInfo, Outcome
from il_robot.episodes.writer import EpisodeWriter
from il_robot.types import Frame, Gate, Image, Mode, Observation, Step

PERIOD_NS = 20_000_000
START_NS = 1_700_000_000_000_000_000
TWO = (("cam_high", 120, 160), ("cam_wrist", 17, 33))
Change = Callable[[int, Step, dict[str, Frame | None]], Step]


def info_of(cameras: tuple[tuple[str, int, int], ...] = (("cam_high", 24, 32),), joints: int = 14) -> EpisodeInfo:
    """An episode's facts: cameras are (name, height, width)."""
    return EpisodeInfo(
        fps=50.0,
        joints=tuple(JointInfo(f"joint_{j}", "rad", -3.0, 3.0, 3.14) for j in range(joints)),
        followers=("follower_left", "follower_right"),
        cameras=tuple(CameraInfo(name, height, width) for name, height, width in cameras),
        objects=("cube",),
        rig="test",
        task="test",
    )


def step_of(info: EpisodeInfo, t: int) -> Step:
    """A step whose numbers tell which one it is."""
    J = len(info.joints)
    qpos = (0.1 * np.sin(0.02 * t + np.arange(J))).astype(np.float32)
    time_ns = START_NS + t * PERIOD_NS
    pose = np.array([0.01 * t, 0.2, 0.3, np.cos(0.02 * t), 0, 0, np.sin(0.02 * t)], np.float32)
    seen = Observation(
        qpos=qpos,
        time_ns=time_ns,
        qvel=np.full(J, t, np.float32),
        effort=np.full(J, -t, np.float32),
        objects=dict.fromkeys(info.objects, pose),
    )
    return Step(
        time_ns=time_ns,
        observation=seen,
        joint_ns=tuple(time_ns - 1000 * (a + 1) for a in range(len(info.followers))),
        action_asked=qpos + np.float32(0.02),
        action=qpos + np.float32(0.01),
        mode=Mode.HUMAN if 10 <= t < 15 else Mode.ROBOT,
        intervention=1 if 10 <= t < 15 else 0,
        gate=Gate.LIMIT if t % 7 == 0 else Gate.PASSED,
    )


def image_of(height: int, width: int, t: int) -> Image:
    """A smooth picture that differs from step to step."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4 + t, columns * 3 + 2 * t, rows + columns + 5 * t], axis=-1).astype(np.uint8)


def frames_of(info: EpisodeInfo, t: int) -> dict[str, Frame]:
    """One fresh frame per camera."""
    stamp = START_NS + t * PERIOD_NS - 5_000_000
    return {c.name: Frame(encode(image_of(c.height, c.width, t + i)), stamp, t) for i, c in enumerate(info.cameras)}


def record(
    dataset: Path, info: EpisodeInfo, steps: int, *, episode_id: str | None = None, outcome: Outcome = "success"
) -> Path:
    """A whole episode with every frame in place."""
    writer = EpisodeWriter.create(dataset, info, episode_id=episode_id, minimum_s=1, queue_steps=10_000, sync_s=None)
    for t in range(steps):
        writer.append(step_of(info, t), frames_of(info, t))
    return writer.close(outcome)


def record_changed(dataset: Path, change: Change, steps: int = 60, info: EpisodeInfo | None = None) -> Path:
    """An episode whose every step went through ``change``, which may also edit its frames."""
    info = info or info_of(TWO)
    writer = EpisodeWriter.create(dataset, info, minimum_s=1, queue_steps=steps, sync_s=None)
    for t in range(steps):
        frames: dict[str, Frame | None] = dict(frames_of(info, t))
        step = change(t, step_of(info, t), frames)
        writer.append(step, frames)
    return writer.close()


def kinds(findings: list[Finding]) -> set[tuple[str, str, int | None, int | None]]:
    return {(one.kind, one.stream, one.first, one.last) for one in findings}


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``: its path there -> its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
