"""What an arm is to those who drive it, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from il_robot.types import Floats


@dataclass(frozen=True)
class ArmState:
    """An arm at one moment; J joints in the rig's order."""

    qpos: Floats
    """(J,) [rad], grippers [opening]."""
    qvel: Floats
    """(J,) [rad/s], grippers [1/s]."""
    effort: Floats
    """(J,) [A], both servos of a pair together; where a servo senses no current, its load as a share of 1."""
    time_ns: int
    """When it was read, nanoseconds since 1970."""


class Arm(Protocol):
    """A leader or a follower, real or not."""

    def read(self) -> ArmState | None:
        """Where it is now; None when the answer got lost (the arm counts that)."""
        ...

    def command(self, qpos: Floats) -> None:
        """(J,) where it shall go [rad], grippers [opening]."""
        ...

    def complaint(self) -> str | None:
        """What a servo reports to be wrong with itself; None when all are well. Costs nothing while they are."""
        ...

    def recover(self) -> None:
        """Takes the arm up again after its port was lost; nothing moves. Raises Fault while it is not there."""
        ...
