"""Which calibration a rig runs with: what episodes and checkpoints remember of it."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.arm import load_calibration
from calibration.rig_folder import file_of_rig
from il_robot.rig import Rig


def calibration_digest(rig: Rig, name: str) -> str:
    """The digest of the calibration of the rig called ``name``; empty for a simulated one. Raises BadInput."""
    return "" if rig.simulated else load_calibration(file_of_rig(name, "calibration.yaml")).digest()


def calibration_changed(now: str, trained_on: Sequence[str]) -> str | None:
    """One line when data with the digests ``trained_on`` came from another calibration than ``now``, else None.

    Empty digests (simulation, imported data) say nothing.
    """
    others = sorted({digest for digest in trained_on if digest} - {now})
    if not now or not others:
        return None
    listed = ", ".join(digest[:8] for digest in others)
    return f"the rig's calibration {now[:8]} is not the one of the policy's training data ({listed}): it may be off"
