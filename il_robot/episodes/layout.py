"""What an episode folder contains: names, version, and the facts kept in its attributes.

The format in prose, with the rule for older versions, is ``docs/episode-format.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

from il_robot import __version__
from il_robot.errors import BadInput
from il_robot.rig import Rig

FORMAT = "il-robot episode"
VERSION = 1
SUFFIX = ".zarr"
"""Of an episode's folder."""
ATTRIBUTE = "il_robot"
"""The one key of the group's attributes that belongs to this project; all others are the user's."""
GROUP_METADATA = {"zarr_format": 3, "node_type": "group"}
"""Every group's ``zarr.json`` without its attributes."""

FRAMES_PER_SHARD = 250
ROWS_PER_CHUNK = 1024
JOURNAL = "journal.rows"
"""Rows of the episode being recorded; gone once it is complete."""
RESERVE = "reserve.bin"
"""Blocks held back so that an episode can be closed on a full disk."""

Outcome: TypeAlias = Literal["unmarked", "success", "failure"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


class Validity(IntEnum):
    """What a step knows of one stream. Stored per step and stream as uint8."""

    MISSING = 0
    """Nothing came: the pixels read as black and mean nothing."""
    FRESH = 1
    REPEATED = 2
    """The newest there was, but the same as one step before: the stream is slower than the loop."""


@dataclass(frozen=True)
class JointInfo:
    """One joint of the joint vector, with the limits it was recorded under."""

    name: str
    unit: str
    """``rad``, or ``opening`` for a gripper in [0, 1]."""
    lower: float
    upper: float
    velocity: float
    """Largest speed [unit/s]."""


@dataclass(frozen=True)
class CameraInfo:
    """One camera; every frame of it has this size."""

    name: str
    height: int
    width: int
    quality: int = 90
    source: Literal["encoded", "mjpeg"] = "encoded"
    """Who made the JPEG: this software, or the camera itself (then ``quality`` is a guess)."""


@dataclass(frozen=True)
class EpisodeInfo:
    """Everything known of an episode before its first step."""

    fps: float
    joints: tuple[JointInfo, ...]
    followers: tuple[str, ...]
    """(A,) names of the joint streams, one per follower arm."""
    cameras: tuple[CameraInfo, ...] = ()
    objects: tuple[str, ...] = ()
    """Objects whose pose x y z [m] qw qx qy qz is kept per step."""
    rig: str = ""
    calibration: str = ""
    """Hash of the calibration in use; empty where there is none (simulation)."""
    task: str = ""
    operator: str = ""
    policy: str = ""
    """The policy that drove, if any."""
    effort_unit: str = ""
    clock: Literal["system", "simulated"] = "system"
    """What the stamps count: ns since 1970, or since the simulation began."""
    recorded_at: str = ""
    """Wall clock at the start, ISO 8601 UTC."""
    software: str = f"il-robot {__version__}"
    scene: dict[str, Any] = field(default_factory=dict)
    """What rebuilds the scene (seed, ...), where the rig is simulated."""
    configuration: dict[str, Any] = field(default_factory=dict)
    """The resolved settings of whatever recorded this."""
    synthetic_stamps: bool = False
    """The stamps were not measured but computed from ``fps`` (imported data)."""

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise BadInput(f"episode: fps {self.fps} must be above 0")
        if not self.joints:
            raise BadInput("episode: it needs at least one joint")
        for kind, names in (
            ("joint", self.joint_names),
            ("follower", self.followers),
            ("camera", self.camera_names),
            ("object", self.objects),
        ):
            if len(set(names)) != len(names):
                raise BadInput(f"episode: a {kind} is named twice in {', '.join(names)}")
            for name in names:
                if not _NAME.fullmatch(name):
                    raise BadInput(f"episode: {kind} name {name!r} is not letters, digits, '_', '-' and '.'")
        for camera in self.cameras:
            if not (0 < camera.height <= 65535 and 0 < camera.width <= 65535):
                raise BadInput(f"episode: camera {camera.name}: {camera.width}x{camera.height} is not a JPEG's size")

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def camera_names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    @property
    def streams(self) -> tuple[str, ...]:
        """The columns of ``control/valid``: the followers, then the cameras."""
        return (*self.followers, *self.camera_names)


@dataclass(frozen=True)
class Losses:
    """What one camera did not deliver."""

    missing: int = 0
    """Steps without any frame."""
    repeated: int = 0
    """Steps that show the frame of the step before."""
    skipped: int = 0
    """Frames the camera counted that no step shows and no missing step stands for (lost between two steps, or the
    camera is faster than the loop)."""


@dataclass(frozen=True)
class Recorded:
    """Everything known of an episode after its last step."""

    steps: int = 0
    complete: bool = False
    recovered: bool = False
    """Closed by recovery: the recorder had been killed."""
    outcome: Outcome = "unmarked"
    fault: str = ""
    """Why the recording ended early, if it did."""
    losses: dict[str, Losses] = field(default_factory=dict)
    """Camera name -> what it lost."""


def episode_id_of(folder: Path) -> str:
    """An episode's name: its folder's without suffix."""
    return folder.name.removesuffix(SUFFIX)


def check_episode_id(episode_id: str) -> None:
    """Raises BadInput for a name that is no folder's of its own, or one that datasets pass over."""
    if not episode_id.isprintable() or "/" in episode_id or episode_id.startswith(".") or not episode_id:
        allowed = "allowed: printable characters without '/', the first no '.'"
        raise BadInput(f"episode {episode_id!r} is no name for an episode; {allowed}")


def episode_info(
    rig: Rig,
    *,
    task: str = "",
    operator: str = "",
    policy: str = "",
    calibration: str = "",
    effort_unit: str = "",
    clock: Literal["system", "simulated"] = "system",
    mjpeg: frozenset[str] = frozenset(),
    scene: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> EpisodeInfo:
    """The facts of an episode about to be recorded on ``rig``; ``mjpeg`` names cameras that send JPEG themselves."""
    joints = tuple(
        JointInfo(
            name=f"{arm.name}_{joint.name}",
            unit="opening" if joint.name == "gripper" else "rad",
            lower=joint.lower,
            upper=joint.upper,
            velocity=joint.velocity,
        )
        for arm in rig.arms
        for joint in arm.joints
    )
    cameras = tuple(
        CameraInfo(c.name, c.height, c.width, c.quality, "mjpeg" if c.name in mjpeg else "encoded") for c in rig.cameras
    )
    return EpisodeInfo(
        fps=rig.rate_hz,
        joints=joints,
        followers=tuple(arm.follower for arm in rig.arms),
        cameras=cameras,
        objects=rig.objects,
        rig=rig.name,
        calibration=calibration,
        task=task,
        operator=operator,
        policy=policy,
        effort_unit=effort_unit,
        clock=clock,
        recorded_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        scene=dict(scene or {}),
        configuration=dict(configuration or {}),
    )
