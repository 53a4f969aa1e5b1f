"""What can go wrong in mid-episode: shoved arms, slapped grippers, a cube that moves, a scrambled rig."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from il_robot.errors import BadInput, nearest
from il_robot.sim.scene import CUBE_HALF_M

if TYPE_CHECKING:
    from il_robot.sim.world import World

KNOCKED = ((-0.05, 0.22), (-0.15, 0.15))
"""x and y [m] that a disturbed cube's place is drawn from."""
_TRIES = 200


def disturb(world: World, kind: str, rng: np.random.Generator) -> None:
    """Changes ``world`` at once in the way called ``kind``. Raises BadInput when there is no such way."""
    if kind not in KINDS:
        raise BadInput(f"no disturbance {kind!r}; {nearest(kind, KINDS)}")
    KINDS[kind](world, rng)


def _shove(world: World, rng: np.random.Generator) -> None:
    """Pushes every joint of both arms by up to 0.25 rad, but not into the table."""
    before = world.qpos
    arms = np.array([joint.name != "gripper" for joint in world.rig.joints])
    for _ in range(_TRIES):
        world.push_arms((before + arms * rng.uniform(-0.25, 0.25, len(arms))).astype(np.float32))
        if not _touching(world, but="cube"):
            return
    world.push_arms(before)


def _open_grippers(world: World, rng: np.random.Generator) -> None:
    """Slaps both grippers open; whatever they held falls until the servos close them again."""
    grippers = np.array([joint.name == "gripper" for joint in world.rig.joints])
    world.push_arms(np.where(grippers, np.float32(1.0), world.qpos))


def _move_cube(world: World, rng: np.random.Generator) -> None:
    """The cube is somewhere else on the table, turned."""
    for _ in range(_TRIES):
        yaw = rng.uniform(-np.pi, np.pi)
        x, y = (rng.uniform(*bounds) for bounds in KNOCKED)
        world.place_cube(np.array([x, y, CUBE_HALF_M, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)], np.float32))
        if not _touching(world):
            return


def _drop_cube(world: World, rng: np.random.Generator) -> None:
    """The cube falls from 10 to 20 cm, tumbling."""
    for _ in range(_TRIES):
        x, y = (0.8 * rng.uniform(*bounds) for bounds in KNOCKED)
        attitude = rng.normal(size=4)
        pose = np.array([x, y, rng.uniform(0.1, 0.2), *(attitude / np.linalg.norm(attitude))], np.float32)
        spin = np.concatenate([rng.uniform(-0.1, 0.1, 3), rng.uniform(-3.0, 3.0, 3)]).astype(np.float32)
        world.place_cube(pose, spin)
        if not _touching(world):
            return


def _scramble_arms(world: World, rng: np.random.Generator) -> None:
    """Both arms stand anywhere around their start pose, grippers anywhere, free of table and cube."""
    for _ in range(_TRIES):
        spread = np.array([0.6, 0.4, 0.4, 0.8, 0.5, 0.8, 1.0] * len(world.rig.arms))
        qpos = np.clip(world.rig.start + spread * rng.uniform(-1, 1, len(spread)), world.rig.lower, world.rig.upper)
        world.place_arms(qpos.astype(np.float32))
        if not _touching(world):
            return
    world.place_arms(world.rig.start)


def _everything(world: World, rng: np.random.Generator) -> None:
    """Arms scrambled and the cube dropped."""
    _scramble_arms(world, rng)
    _drop_cube(world, rng)


def _touching(world: World, but: str = "") -> bool:
    """Whether anything touches anything, other than the cube the table; contacts of the geom ``but`` do not count."""
    cube, table = world.model.geom("cube").id, world.model.geom("table").id
    ignored = world.model.geom(but).id if but else -1
    return any({int(a), int(b)} != {cube, table} and ignored not in (a, b) for a, b in world.data.contact.geom)


KINDS: dict[str, Callable[[World, np.random.Generator], None]] = {
    "shove": _shove,
    "open_grippers": _open_grippers,
    "move_cube": _move_cube,
    "drop_cube": _drop_cube,
    "scramble_arms": _scramble_arms,
    "everything": _everything,
}
