"""The cameras show the scene: four different views of arms and cube, and one line when nothing can be drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from il_robot.errors import BadInput
from il_robot.rig import Rig
from il_robot.sim.collect import with_cameras
from il_robot.sim.world import World
from il_robot.types import Image


def _red(image: Image) -> np.ndarray:
    """(n, 2) rows and columns of the pixels that are clearly red."""
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return np.argwhere((red > 2 * green + 20) & (red > 2 * blue + 20))


def _cube_at(x: float, y: float) -> np.ndarray:
    return np.array([x, y, 0.02, 1, 0, 0, 0], np.float32)


def test_a_backend_that_needs_a_screen_is_one_line() -> None:
    program = "from calibration.rig_file import load_rig; from il_robot.sim.world import World; "
    program += "World(load_rig('sim'), 'transfer_cube').observe(['cam_high'])"
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"} | {"MUJOCO_GL": "glfw"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("il_robot.errors.BadInput: MuJoCo cannot draw without a screen (MUJOCO_GL glfw")
    )


def test_each_camera_has_its_own_view_in_its_size(world: World, rig: Rig) -> None:
    world.reset(0)
    images = world.observe(rig.camera_names).images
    assert list(images) == list(rig.camera_names)
    for camera in rig.cameras:
        image = images[camera.name]
        assert image.shape == (camera.height, camera.width, 3) and image.dtype == np.uint8
        assert image.std() > 20
    for one, other in combinations(images.values(), 2):
        assert np.abs(one.astype(int) - other).mean() > 10


def test_the_cube_is_seen_where_it_is(world: World) -> None:
    world.reset(0, cube=_cube_at(0.0, 0.0))
    middle = _red(world.observe(["cam_high"]).images["cam_high"])
    world.reset(0, cube=_cube_at(0.2, 0.0))
    right = _red(world.observe(["cam_high"]).images["cam_high"])
    world.reset(0, cube=_cube_at(0.0, 0.1))
    far = _red(world.observe(["cam_high"]).images["cam_high"])
    assert min(len(middle), len(right), len(far)) > 40
    assert right[:, 1].mean() > middle[:, 1].mean() + 20
    assert far[:, 0].mean() < middle[:, 0].mean() - 10
    # Nothing else in the scene is red.
    world.reset(0, cube=_cube_at(0.0, -5.0))
    assert len(_red(world.observe(["cam_high"]).images["cam_high"])) == 0


def test_the_wrist_cameras_move_with_their_arm_only(world: World, rig: Rig) -> None:
    names = ["cam_left_wrist", "cam_right_wrist"]
    world.reset(0)
    before = world.observe(names).images
    world.place_arms(rig.start + np.eye(14, dtype=np.float32)[5] * np.float32(0.5))
    after = world.observe(names).images
    change = {name: np.abs(before[name].astype(int) - after[name]).mean() for name in names}
    assert change["cam_left_wrist"] > 5 * change["cam_right_wrist"]


def test_a_picture_does_not_depend_on_what_was_drawn_before(world: World, rig: Rig) -> None:
    world.reset(0)
    first = world.observe(rig.camera_names).images
    for name in reversed(rig.camera_names):
        np.testing.assert_array_equal(world.observe([name]).images[name], first[name])


def test_other_sizes_and_a_choice_of_cameras(rig: Rig) -> None:
    small = World(with_cameras(rig, ("cam_low",), (48, 64)))
    images = small.observe(["cam_low"]).images
    assert images["cam_low"].shape == (48, 64, 3)
    with pytest.raises(BadInput, match="no camera 'cam_high'"):
        small.observe(["cam_high"])
    small.close()
    small.close()


def test_without_gl_there_is_one_line_that_says_what_to_install(rig: Rig) -> None:
    script = (
        "from calibration.rig_file import load_rig\n"
        "from il_robot.errors import BadInput\n"
        "try:\n"
        "    from il_robot.sim.world import World\n"
        "    world = World(load_rig('sim'))\n"
        "    world.step(world.qpos)\n"
        "    world.observe(['cam_high'])\n"
        "except BadInput as error:\n"
        "    print(error)\n"
    )
    no_driver = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent", "MUJOCO_GL": "egl"}
    for missing in (no_driver, {"MUJOCO_GL": "no_such_gl"}):
        environment = {**os.environ, **missing}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stderr
        assert "apt-get install -y libegl1" in done.stdout
