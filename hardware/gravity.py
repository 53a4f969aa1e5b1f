"""What an arm weighs: the torque that holds each joint against gravity, from the masses of its links.

    tau_j = z_j . sum over the links i that j carries of (c_i - p_j) x (0, 0, m_i g)

z_j is the joint's axis, p_j a point on it, c_i a link's centre of mass, all in the frame of the arm's base, whose z
points up (any textbook on robot dynamics: the static part of Newton-Euler).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_robot.errors import BadInput
from il_robot.types import Floats

G = 9.81
Vector = tuple[float, float, float]
UNIT_SLACK = 1e-6


@dataclass(frozen=True)
class Link:
    """One joint and the link that it turns, in the frame of the link before it, all joints at 0."""

    joint: str
    axis: Vector
    """Which way it turns."""
    at: Vector
    """Where the joint is [m]."""
    mass: float
    """[kg]."""
    centre: Vector
    """The link's centre of mass, in its own frame [m]."""

    def __post_init__(self) -> None:
        if abs(np.linalg.norm(self.axis) - 1) > UNIT_SLACK:
            raise BadInput(f"link of {self.joint}: axis {list(self.axis)} must have length 1")
        if not 0 <= self.mass < 50:
            raise BadInput(f"link of {self.joint}: mass {self.mass} kg; allowed: 0 to 50")


@dataclass(frozen=True)
class Weight:
    """What an arm weighs, and how much of it its servos carry while it is in the operator's hands."""

    links: tuple[Link, ...]
    """From the base outwards."""
    limit_a: float
    """No servo ever gets more current for it [A]."""
    carried: bool = False
    """Whether leaders carry themselves at all."""
    share: float = 0.9
    """How much of the weight is carried: below 1, so that the arm rather sinks than rises."""

    def __post_init__(self) -> None:
        if not 0 < self.limit_a <= 2:
            raise BadInput(f"gravity: limit_a {self.limit_a}; allowed: above 0, at most 2 A")
        if not 0 < self.share <= 1:
            raise BadInput(f"gravity: share {self.share}; allowed: above 0, at most 1")


def holding_torque(links: tuple[Link, ...], angles: Floats) -> NDArray[np.float64]:
    """(L,) the torque [N m] that holds each joint still at ``angles`` (L,) [rad], positive as the joint turns."""
    turned, place = np.eye(3), np.zeros(3)
    axes, joints, centres = [], [], []
    for link, angle in zip(links, angles, strict=True):
        place = place + turned @ link.at
        joints.append(place)
        axes.append(turned @ link.axis)
        turned = turned @ _turn(np.array(link.axis), float(angle))
        centres.append(place + turned @ link.centre)
    masses = np.array([link.mass for link in links])
    torque = np.zeros(len(links))
    for j, (axis, joint) in enumerate(zip(axes, joints, strict=True)):
        moment = masses[j:] @ (np.array(centres[j:]) - joint)
        torque[j] = axis @ np.cross(moment, [0.0, 0.0, G])
    return torque


def _turn(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """(3, 3) the rotation about a unit axis (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned
