"""What a rig is: arms, joints, limits, cameras, pedal, rates. Plain data; nothing here opens anything.

A rig is read from ``calibration/rigs/<name>/rig.yaml`` by :func:`calibration.rig_file.load_rig`.
Every vector over joints in this project has the order of :attr:`Rig.joint_names`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from il_robot.errors import BadInput, nearest
from il_robot.types import Floats

NS_PER_S = 1_000_000_000
LEAST_HZ, LARGEST_HZ = 0.1, 1000
LAST_BUTTON = 31


@dataclass(frozen=True)
class Joint:
    """One joint of a follower arm. Angles in rad; a gripper's opening in [0, 1]."""

    name: str
    lower: float
    upper: float
    velocity: float
    """Largest speed the safety gate lets through [rad/s], gripper [1/s]."""
    start: float = 0.0
    """Where the arm stands when an episode begins."""

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise BadInput(f"joint {self.name}: lower {self.lower} must be below upper {self.upper}")
        if not self.velocity > 0:
            raise BadInput(f"joint {self.name}: velocity {self.velocity} must be above 0")
        if not self.lower <= self.start <= self.upper:
            raise BadInput(f"joint {self.name}: start {self.start} is outside [{self.lower}, {self.upper}]")


@dataclass(frozen=True)
class Arm:
    """A leader and the follower that copies it. The name (``left``) is their common suffix."""

    name: str
    joints: tuple[Joint, ...]

    @property
    def follower(self) -> str:
        return f"follower_{self.name}"

    @property
    def leader(self) -> str:
        return f"leader_{self.name}"

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)


@dataclass(frozen=True)
class Camera:
    """One camera; its name is also its ROS namespace."""

    name: str
    width: int
    height: int
    quality: int = 90
    """JPEG quality where the camera does not deliver JPEG itself."""


@dataclass(frozen=True)
class PedalButtons:
    """Which button of the pedal's ``sensor_msgs/Joy`` means what."""

    record: int = 0
    """Starts an episode; pressed again, stops it."""
    success: int = 1
    """Stops the episode and marks it a success."""
    discard: int = 2
    """Stops the episode and throws it away."""
    takeover: int | None = 3
    """Pressed: the human takes over, or hands back. None: nobody ever does, and no policy drives this rig."""

    @property
    def meanings(self) -> dict[int, str]:
        """What each button means, by its number."""
        buttons = {field.name: getattr(self, field.name) for field in fields(self)}
        return {button: name for name, button in buttons.items() if button is not None}

    def __post_init__(self) -> None:
        meant = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, button in meant.items():
            if button is not None and not 0 <= button <= LAST_BUTTON:
                raise BadInput(f"pedal: {name} is button {button}; allowed: 0 to {LAST_BUTTON}")
        if len(set(meant.values())) < len(meant):
            listed = ", ".join(f"{name} {button}" for name, button in meant.items())
            raise BadInput(f"pedal: {listed}: each needs a button of its own")


@dataclass(frozen=True)
class Rig:
    """A whole rig."""

    name: str
    rate_hz: float
    arms: tuple[Arm, ...]
    cameras: tuple[Camera, ...] = ()
    objects: tuple[str, ...] = ()
    """Objects whose pose something on this rig knows (a simulator, a tracker)."""
    pedal: PedalButtons = field(default_factory=PedalButtons)
    simulated: bool = False
    """The arms, cameras and objects are those of the simulator."""

    def __post_init__(self) -> None:
        if not LEAST_HZ <= self.rate_hz <= LARGEST_HZ:
            raise BadInput(f"rig {self.name}: rate_hz {self.rate_hz}; allowed: {LEAST_HZ} to {LARGEST_HZ}")
        names = [*self.joint_names, *(camera.name for camera in self.cameras)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInput(f"rig {self.name}: named twice: {', '.join(twice)}")

    @property
    def joint_names(self) -> tuple[str, ...]:
        """(J,) all joints, arm after arm: ``left_waist`` ... ``right_gripper``."""
        return tuple(f"{arm.name}_{joint.name}" for arm in self.arms for joint in arm.joints)

    @property
    def joints(self) -> tuple[Joint, ...]:
        return tuple(joint for arm in self.arms for joint in arm.joints)

    @property
    def camera_names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    @property
    def period_ns(self) -> int:
        return round(NS_PER_S / self.rate_hz)

    @property
    def lower(self) -> Floats:
        return np.array([joint.lower for joint in self.joints], np.float32)

    @property
    def upper(self) -> Floats:
        return np.array([joint.upper for joint in self.joints], np.float32)

    @property
    def velocity(self) -> Floats:
        """(J,) velocity limits [rad/s], grippers [1/s]."""
        return np.array([joint.velocity for joint in self.joints], np.float32)

    @property
    def start(self) -> Floats:
        return np.array([joint.start for joint in self.joints], np.float32)

    def arm_slice(self, name: str) -> slice:
        """Where the arm called ``name`` lies in a joint vector."""
        begin = 0
        for arm in self.arms:
            if arm.name == name:
                return slice(begin, begin + len(arm.joints))
            begin += len(arm.joints)
        raise BadInput(f"rig {self.name} has no arm {name!r}; {nearest(name, [a.name for a in self.arms])}")
