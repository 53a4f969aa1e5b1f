"""Renders the rig's cameras. A renderer belongs to the thread that made it and must be closed by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from il_robot.errors import BadInput, nearest
from il_robot.rig import Camera
from il_robot.sim import headless
from il_robot.types import Image

import mujoco  # isort: skip


class Cameras:
    """All cameras of one simulated world on one GL context; shapes are gathered once for all of them.

    Measured with software rendering (llvmpipe, 2 idle cores), four cameras: 240x320 3.2 ms (4.7 ms of CPU),
    480x640 8 ms (11 to 14 ms of CPU).
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, cameras: Sequence[Camera]) -> None:
        """Raises BadInput, saying what to install, when no GL context can be had."""
        self._model, self._data = model, data
        self._cameras = {camera.name: camera for camera in cameras}
        self._context = headless.gl_context(model.vis.global_.offwidth, model.vis.global_.offheight)
        self._context.make_current()
        try:
            self._buffers = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except mujoco.FatalError as error:
            # Without a screen, glfw gives a context that is none.
            raise headless.cannot_draw(error) from None
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._buffers)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 8)
        # Shadows, reflections, sky, fog and haze cost ten times the rest.
        self._scene.flags[:] = 0
        self._options = mujoco.MjvOption()
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = 0

    def render(self, names: Iterable[str]) -> dict[str, Image]:
        """camera name -> (H, W, 3) RGB uint8, of the world as it is now. Raises BadInput on an unknown name."""
        self._context.make_current()
        mujoco.mjv_updateScene(
            self._model, self._data, self._options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        return {name: self._draw(name) for name in names}

    def close(self) -> None:
        """Frees the GL context; a second call does nothing."""
        self._buffers.free()
        self._context.free()

    def _draw(self, name: str) -> Image:
        if name not in self._cameras:
            raise BadInput(f"the simulated rig has no camera {name!r}; {nearest(name, self._cameras)}")
        camera = self._cameras[name]
        image = np.empty((camera.height, camera.width, 3), np.uint8)
        area = mujoco.MjrRect(0, 0, camera.width, camera.height)
        self._view.fixedcamid = self._model.camera(name).id
        mujoco.mjv_updateCamera(self._model, self._data, self._view, self._scene)
        mujoco.mjr_render(area, self._scene, self._buffers)
        mujoco.mjr_readPixels(image, None, area, self._buffers)
        # GL counts rows from the bottom.
        return np.ascontiguousarray(image[::-1])
