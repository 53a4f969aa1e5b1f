"""Names and shapes of an ALOHA HDF5 file (tonyzhaozh/aloha, MarkFzp/mobile-aloha, Interbotix/aloha)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from il_robot.episodes.layout import JointInfo

JOINTS = 14
GRIPPER_INDEXES = [6, 13]
QPOS, QVEL, EFFORT = "observations/qpos", "observations/qvel", "observations/effort"
ACTION = "action"
IMAGES = "observations/images"
COMPRESS_LENGTH = "compress_len"
"""(cameras in the order of their names, T) lengths of the JPEGs, the rest of each row being zeros."""

FACTS, GRIPPERS_KEY = "facts", "aloha_grippers"
"""In the group of ours: the facts of the episode as JSON, and in them how its observed grippers were scaled."""
OWN = (QPOS, ACTION)
"""What comes back from the file's own arrays; qvel and effort have no NaN there, so they are carried, too."""

GripperConvention: TypeAlias = Literal["auto", "original", "ros2", "opening"]
Channels: TypeAlias = Literal["rgb", "bgr"]

_LIMITS_DEG = {
    "waist": (-180, 180),
    "shoulder": (-106, 72),
    "elbow": (-101, 92),
    "forearm_roll": (-180, 180),
    "wrist_angle": (-107, 128),
    "wrist_rotate": (-180, 180),
}
"""Of the follower, a ViperX-300 6DoF."""
_GRIPPER_PER_S = 5.0


def joints() -> tuple[JointInfo, ...]:
    """The 14 joints: left arm, left gripper, right arm, right gripper."""
    described = []
    for arm in ("left", "right"):
        for name, (lower, upper) in _LIMITS_DEG.items():
            bounds = float(np.deg2rad(lower)), float(np.deg2rad(upper))
            described.append(JointInfo(f"{arm}_{name}", "rad", *bounds, velocity=float(np.pi)))
        described.append(JointInfo(f"{arm}_gripper", "opening", 0.0, 1.0, velocity=_GRIPPER_PER_S))
    return tuple(described)
