"""The grippers of ALOHA files: the action is a servo angle, the observation a finger's distance, both scaled.

ALOHA scales each to 0 closed, 1 open, but they are not the same quantity: horn and rod make the distance a curve
over the angle. Here both are the opening, linear in the angle. A finger stands at
``d(a) = h sin a + sqrt(l^2 - (h cos a)^2)`` for the angle a (Interbotix xs_sdk, convert_angular_position_to_linear),
so ``sin a = (d^2 + h^2 - l^2) / (2 d h)``, which gives the angle back up to pi/2, where the distance is largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_robot.types import Floats


@dataclass(frozen=True)
class FollowerGripper:
    """The constants that a recording was made with."""

    joint_open: float
    """[rad]"""
    joint_close: float
    finger_open: float
    """[m]"""
    finger_close: float
    horn: float
    """Length of the servo horn [m]."""
    rod: float
    """Length of the rod from horn to finger [m]."""

    def opening(self, finger: Floats) -> Floats:
        """The opening at a finger distance scaled as ALOHA does; any shape."""
        distance = self.finger_close + finger.astype(np.float64) * (self.finger_open - self.finger_close)
        distance = np.maximum(distance, self.rod - self.horn)
        sine = (distance**2 + self.horn**2 - self.rod**2) / (2 * distance * self.horn)
        angle = np.arcsin(np.clip(sine, -1.0, 1.0))
        return ((angle - self.joint_close) / (self.joint_open - self.joint_close)).astype(np.float32)

    def finger(self, opening: Floats) -> Floats:
        """The finger distance, scaled as ALOHA does, at an opening; any shape."""
        angle = self.joint_close + opening.astype(np.float64) * (self.joint_open - self.joint_close)
        distance = self.horn * np.sin(angle) + np.sqrt(self.rod**2 - (self.horn * np.cos(angle)) ** 2)
        return ((distance - self.finger_close) / (self.finger_open - self.finger_close)).astype(np.float32)


GRIPPERS = {
    "original": FollowerGripper(1.4910, -0.6213, 0.05800, 0.01844, 0.022, 0.036),
    "ros2": FollowerGripper(1.6214, 0.6197, 0.0579, 0.0440, 0.0275, 0.035),
}
"""Constants of the ALOHA and Mobile ALOHA code, and of its ROS 2 port. In the port the servo opens past pi/2: the
last 5 % of the opening give the same distances as the 5 % before, and come back as these."""
