"""Small datasets to train on, written by the real writer: a joint that follows the cube, recorded at 50 Hz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import Outcome, episode_info
from il_robot.episodes.writer import EpisodeWriter
from il_robot.rig import Arm, Camera, Joint, Rig
from il_robot.types import Floats, Frame, Image, Mode, Observation, Step

RIG = Rig(
    name="toy",
    rate_hz=50.0,
    arms=(
        Arm("left", (Joint("waist", -3, 3, 3), Joint("gripper", 0, 1, 5))),
        Arm("right", (Joint("waist", -3, 3, 3),)),
    ),
    cameras=(Camera("cam_high", 32, 24), Camera("cam_low", 16, 16)),
    objects=("cube",),
)


def picture(height: int, width: int, where: float) -> Image:
    """A bright bar at the column that ``where`` in [-1, 1] tells."""
    image = np.full((height, width, 3), 30, np.uint8)
    column = int((where + 1) / 2 * (width - 4))
    cv2.rectangle(image, (column, 0), (column + 3, height), (250, 250, 250), -1)
    return image


def demonstrate(
    dataset: Path,
    name: str,
    steps: int,
    *,
    rig: Rig = RIG,
    mode: Callable[[int], Mode] = lambda t: Mode.DEMONSTRATION,
    intervention: Callable[[int], int] = lambda t: 0,
    missing: Sequence[int] = (),
    offset: float = 0.0,
    outcome: Outcome = "success",
    spoil: int | None = None,
    objects: Sequence[str] = ("cube",),
    unseen: Sequence[int] = (),
) -> Path:
    """One episode. Steps in ``missing`` have no frame of cam_high, those in ``unseen`` no pose of any object; step
    ``spoil`` has an action that is NaN."""
    info = episode_info(rig, task="toy", clock="simulated")
    writer = EpisodeWriter.create(dataset, info, episode_id=name, minimum_s=1, queue_steps=10_000)
    goal = float(np.random.default_rng(len(name) + sum(map(ord, name))).uniform(-1, 1))
    for t in range(steps):
        qpos: Floats = np.full(len(rig.joints), offset + goal * t / steps, np.float32)
        pose = np.array([goal, 0, 0, 1, 0, 0, 0], np.float32)
        seen = Observation(
            qpos, t * rig.period_ns, qpos, qpos, objects=dict.fromkeys(() if t in unseen else objects, pose)
        )
        action = qpos + np.float32(0.01 * goal)
        if t == spoil:
            action[0] = np.nan
        stamps = (t * rig.period_ns,) * len(rig.arms)
        frames = {
            camera.name: Frame(encode(picture(camera.height, camera.width, goal)), t * rig.period_ns, t)
            for camera in rig.cameras
            if not (camera.name == "cam_high" and t in missing)
        }
        writer.append(Step(t * rig.period_ns, seen, stamps, action, action, mode(t), intervention(t)), frames)
    return writer.close(outcome)


def demonstrations(dataset: Path, episodes: int = 6, steps: int = 30) -> Path:
    """Several of them, and one more, the 23th, that falls into the validation split."""
    for number in (*range(episodes), 23):
        demonstrate(dataset, f"toy_{number}", steps)
    return dataset
