from __future__ import annotations

from collections.abc import Iterator

import pytest

from calibration.rig_file import load_rig
from il_robot.rig import Rig
from il_robot.sim.world import World


@pytest.fixture(scope="session")
def rig() -> Rig:
    return load_rig("sim")


@pytest.fixture(scope="module")
def world(rig: Rig) -> Iterator[World]:
    """A world that a test resets before it uses it."""
    world = World(rig)
    yield world
    world.close()
