"""What a policy is fed, and how an observation becomes it: the same code in training and in deployment.

The state vector is ``[qpos (J), then for each object: x y z [m] and two columns of its rotation matrix (6)]``,
with a history one such row per moment, the oldest first.
The two columns are the continuous form of a rotation (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks"): a quaternion jumps where its sign flips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from il_robot.counted import counted
from il_robot.errors import BadInput, nearest
from il_robot.types import Floats, Image, Observation

OBJECT_FEATURES = 9
LONGEST_HISTORY = 1000
LARGEST_SIZE = 4096
"""Of a camera's height and width, as a policy looks at it."""

JOINT_SPREAD = 0.05
POSITION_SPREAD = 0.05
ROTATION_SPREAD = 0.3
"""What a spread in the demonstrations is at least taken to be, in rad (or opening), m, and parts of a unit vector.
Demonstrations hardly turn a cube; without a floor the least turn that a policy causes would look enormous to it."""


@dataclass(frozen=True)
class CameraInput:
    """A camera and the resolution at which the policy looks at it."""

    name: str
    height: int
    width: int
    frames: int = 1
    """How many of its newest frames the policy sees: (H, W, 3) when 1, else (frames, H, W, 3), the oldest first."""

    def __post_init__(self) -> None:
        if not (1 <= self.height <= LARGEST_SIZE and 1 <= self.width <= LARGEST_SIZE):
            size = f"{self.height} {self.width}"
            raise BadInput(f"camera {self.name!r}: looked at in a size of {size}; allowed: 1 to {LARGEST_SIZE} each")

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, 3) or (frames, H, W, 3): what the policy sees of it."""
        one = (self.height, self.width, 3)
        return one if self.frames == 1 else (self.frames, *one)


@dataclass(frozen=True)
class Inputs:
    """What a policy needs of an observation."""

    joints: tuple[str, ...]
    """(J,) joint names in the rig's order; also what it commands."""
    objects: tuple[str, ...] = ()
    cameras: tuple[CameraInput, ...] = ()
    history: int = 1
    """How many of the newest moments, one control period apart, the state tells."""

    def __post_init__(self) -> None:
        if not 1 <= self.history <= LONGEST_HISTORY:
            raise BadInput(f"history {self.history}; allowed: 1 to {LONGEST_HISTORY} moments")
        for camera in self.cameras:
            if not 1 <= camera.frames <= self.history:
                frames = counted(camera.frames, "frame")
                raise BadInput(f"{frames} of camera {camera.name!r}; allowed: 1 to {self.history}, the history")

    @property
    def moment_size(self) -> int:
        """s: numbers that tell one moment."""
        return len(self.joints) + OBJECT_FEATURES * len(self.objects)

    @property
    def state_size(self) -> int:
        """S: numbers of all moments."""
        return self.history * self.moment_size

    @property
    def least_spread(self) -> Floats:
        """(s,) the floor of each state's standard deviation."""
        one = [POSITION_SPREAD] * 3 + [ROTATION_SPREAD] * 6
        return np.array([JOINT_SPREAD] * len(self.joints) + one * len(self.objects), np.float32)


def rotation_columns(quaternion: Floats) -> Floats:
    """(..., 4) unit quaternions qw qx qy qz -> (..., 6): the first two columns of the rotation matrices."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    columns: Floats = np.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y + w * z),
            2 * (x * z - w * y),
            2 * (x * y - w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z + w * x),
        ],
        axis=-1,
    ).astype(np.float32)
    return columns


def state_of(qpos: Floats, objects: Mapping[str, Floats], inputs: Inputs) -> Floats:
    """(..., J) and poses (..., 7) -> (..., s) states of single moments. Raises BadInput for what is missing."""
    if qpos.shape[-1] != len(inputs.joints):
        raise BadInput(f"observation has {counted(qpos.shape[-1], 'joint')}; the policy needs {len(inputs.joints)}")
    parts = [np.asarray(qpos, np.float32)]
    for name in inputs.objects:
        if name not in objects:
            raise BadInput(f"observation has no object {name!r}, which the policy needs; {nearest(name, objects)}")
        pose = np.asarray(objects[name], np.float32)
        parts += [pose[..., :3], rotation_columns(pose[..., 3:7])]
    return np.concatenate(parts, axis=-1)


def image_of(image: Image, camera: CameraInput) -> Image:
    """(H, W, 3) of any size -> (height, width, 3) as the policy sees it: area averages when shrinking."""
    if image.shape[:2] == (camera.height, camera.width):
        return image
    shrinks = image.shape[0] >= camera.height and image.shape[1] >= camera.width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Image = np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=how), np.uint8)
    return resized


def images_of(observation: Observation, inputs: Inputs) -> dict[str, Image]:
    """The images of one observation at the policy's resolution. Raises BadInput for a missing camera."""
    for camera in inputs.cameras:
        if camera.name not in observation.images:
            cure = nearest(camera.name, observation.images)
            raise BadInput(f"observation has no camera {camera.name!r}, which the policy needs; {cure}")
    return {camera.name: image_of(observation.images[camera.name], camera) for camera in inputs.cameras}
