"""The data that flows: observation, action, action chunk, step, frame.

Axis legend used in names and comments throughout the project:
    T steps of an episode, k steps of a chunk, J joints of the rig, B batch, H W C image,
    A arms of one kind (the followers) of the rig.

Arms speak radians; a gripper is an opening in [0, 1] with 0 closed, in the same convention for
observation and action. Times are nanoseconds since the epoch of the rig's clock (int).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Image: TypeAlias = NDArray[np.uint8]


class Mode(IntEnum):
    """Who drove a step. Stored per step as int8."""

    DEMONSTRATION = -1
    ROBOT = 0
    HUMAN = 1
    TRANSITION = 2
    """Takeover or hand back in progress: the command is a blend of the two drivers."""


class Gate(IntFlag):
    """What the safety gate did to a step's action. Stored per step as uint8; 0 = nothing."""

    PASSED = 0
    LIMIT = 1
    """Clipped to a joint limit."""
    VELOCITY = 2
    """Slowed down to the velocity limit."""
    NOT_FINITE = 4
    """NaN or infinity asked: held."""
    STALE = 8
    """No fresh command in time: held."""
    FAULT = 16
    """A source, the bus or a required process was lost: held."""


@dataclass(frozen=True)
class Frame:
    """One camera image as captured and encoded."""

    jpeg: bytes
    time_ns: int
    """When it was captured."""
    sequence: int
    """The camera's own count: a gap in it is a frame that was lost on the way."""


@dataclass(frozen=True)
class Observation:
    """What a policy sees at one moment."""

    qpos: Floats
    """(J,) joint positions [rad], grippers [opening 0..1]."""
    time_ns: int
    qvel: Floats | None = None
    """(J,) [rad/s], grippers [1/s]."""
    effort: Floats | None = None
    """(J,) in the unit the rig gives (A on Dynamixel, N m in simulation)."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """camera name -> (H, W, 3) RGB uint8."""
    objects: Mapping[str, Floats] = field(default_factory=dict)
    """object name -> (7,) x y z [m] qw qx qy qz in the rig's base frame, where something knows it."""


@dataclass(frozen=True)
class ActionChunk:
    """Absolute joint targets for the k steps that start at ``start_ns``."""

    qpos: Floats
    """(k, J)."""
    start_ns: int
    """The time of the observation it was predicted from: row 0 belongs to that step."""
    period_ns: int

    def row_at(self, time_ns: int) -> int:
        """The row whose step is nearest to ``time_ns``; outside [0, k) when the chunk has none."""
        return round((time_ns - self.start_ns) / self.period_ns)


@dataclass(frozen=True)
class Step:
    """One 20 ms tick as it happened: what was seen, asked and done."""

    time_ns: int
    """The tick."""
    observation: Observation
    """As the control loop saw it, read before the action was sent; images travel as frames."""
    joint_ns: tuple[int, ...]
    """(A,) capture time of each follower's joint state, in the rig's order of arms."""
    action_asked: Floats
    """(J,) what the driver (human or policy) wanted."""
    action: Floats
    """(J,) what passed the safety gate and was sent."""
    mode: Mode
    intervention: int = 0
    """0 outside, else the count of this intervention in the episode (1, 2, ...)."""
    gate: Gate = Gate.PASSED


class Policy(Protocol):
    """Anything that turns observations into action chunks."""

    def predict(self, observation: Observation) -> ActionChunk:
        """The targets from this observation on."""
        ...

    def observe(self, observation: Observation) -> None:
        """An observation that nothing is predicted from: remembered by a policy that looks back."""
        ...

    def reset(self) -> None:
        """Forget everything remembered from earlier observations."""
        ...
