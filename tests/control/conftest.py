from __future__ import annotations

import pytest

from il_robot.rig import Arm, Joint, Rig


@pytest.fixture(scope="session")
def rig() -> Rig:
    """Two arms of two joints and a gripper, with limits that are all different."""
    joints = (
        Joint("waist", -1.0, 2.0, velocity=1.0, start=0.25),
        Joint("elbow", -0.5, 0.5, velocity=3.0),
        Joint("gripper", 0.0, 1.0, velocity=5.0),
    )
    return Rig("small", 50.0, (Arm("left", joints), Arm("right", joints)))
