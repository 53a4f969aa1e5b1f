"""Draws a world that goes on moving: takes a moment of it, then renders that moment in its own time."""

from __future__ import annotations

from il_robot.sim.cameras import Cameras
from il_robot.sim.world import World
from il_robot.types import Image

import mujoco  # isort: skip


class Photographer:
    """Belongs to the thread that makes it; only :meth:`take` touches the world (hold its lock then)."""

    def __init__(self, world: World) -> None:
        """Raises BadInput, saying what to install, when nothing can be drawn here."""
        self._names = world.rig.camera_names
        self._moment = mujoco.MjData(world.model)
        self._cameras = Cameras(world.model, self._moment, world.rig.cameras)

    def take(self, world: World) -> None:
        """Copies the world as it is now (about 20 microseconds)."""
        mujoco.mj_copyData(self._moment, world.model, world.data)

    def draw(self) -> dict[str, Image]:
        """camera name -> (H, W, 3) RGB uint8 of the moment taken."""
        return self._cameras.render(self._names)

    def close(self) -> None:
        """Frees the renderer."""
        self._cameras.close()
