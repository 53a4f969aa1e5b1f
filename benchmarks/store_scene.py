"""What every contestant of ``store.py`` records: four cameras of photo-like pictures and fourteen joints."""

from __future__ import annotations

import cv2
import numpy as np

from il_robot.episodes.layout import CameraInfo, EpisodeInfo, JointInfo
from il_robot.types import Image, Mode, Observation, Step

HEIGHT, WIDTH, RATE_HZ, CHUNK = 480, 640, 50, 100
CAMERAS = ("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist")
DIFFERENT = 24
"""Pictures; a recording shows them in turn."""
SENSOR_NOISE = 2.5
"""Standard deviation, in steps of 256."""
INFO = EpisodeInfo(
    fps=RATE_HZ,
    joints=tuple(JointInfo(f"joint_{j}", "rad", -3.0, 3.0, 3.14) for j in range(14)),
    followers=("follower_left", "follower_right"),
    cameras=tuple(CameraInfo(name, HEIGHT, WIDTH) for name in CAMERAS),
)


def scene(count: int = DIFFERENT) -> list[Image]:
    """Photo-like pictures: smooth background, a moving object, sensor noise; about 82 kB as JPEG of quality 90.

    Six photographs (scikit-image's and scikit-learn's, cut to 480x640, sensor noise added) take 57 to 107 kB, 76 in
    the mean. What encoding and writing cost goes with the bytes, so every table here names them.
    """
    pictures = []
    for i in range(count):
        random = np.random.default_rng(i % 6)
        small = random.integers(0, 256, (40, 54, 3), dtype=np.uint8)
        picture = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        cv2.rectangle(picture, (20 * i, 200), (20 * i + 80, 280), (220, 30, 30), -1)
        noise = np.random.default_rng(100 + i).normal(0, SENSOR_NOISE, picture.shape)
        pictures.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
    return pictures


def step_of(t: int) -> Step:
    qpos = np.sin(0.01 * t + np.arange(14)).astype(np.float32)
    ns = t * 1_000_000_000 // RATE_HZ
    return Step(ns, Observation(qpos, ns, qpos, qpos), (ns, ns), qpos, qpos, Mode.DEMONSTRATION)
