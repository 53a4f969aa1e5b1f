"""Episodes of other rigs in the place of one rig's (co-training): what a rig lacks is NaN, what it has more is left.

Axes: T steps, J joints of the rig that is trained for, S state.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, nearest
from il_robot.policies.inputs import OBJECT_FEATURES, Inputs
from il_robot.rig import Rig
from il_robot.training.plausible import poses_of
from il_robot.types import Floats


def joints_of(episode: Episode, values_TJ: Floats, inputs: Inputs) -> Floats:
    """(T, J) positions or actions of the episode's joints in the order of ``inputs``; NaN where it has no such."""
    theirs = episode.info.joint_names
    if theirs == inputs.joints:
        return values_TJ
    aligned = np.full((len(values_TJ), len(inputs.joints)), np.nan, np.float32)
    for column, name in enumerate(inputs.joints):
        if name in theirs:
            aligned[:, column] = values_TJ[:, theirs.index(name)]
    return aligned


def objects_of(episode: Episode, inputs: Inputs) -> Mapping[str, Floats]:
    """Object name -> (T, 7) poses, for every object of ``inputs``; NaN where the episode knows no such.

    Raises BadInput for a pose that cannot be.
    """
    unknown = np.full((episode.steps, 7), np.nan, np.float32)
    return {name: poses_of(episode, name) if name in episode.objects else unknown for name in inputs.objects}


def cameras_of(episode: Episode, inputs: Inputs) -> list[str]:
    """The cameras of ``inputs`` that the episode has."""
    return [camera.name for camera in inputs.cameras if camera.name in episode.info.camera_names]


def columns_of(episode: Episode, inputs: Inputs) -> NDArray[np.bool_]:
    """(S,) the parts of the state that the episode's rig has."""
    joints = [name in episode.info.joint_names for name in inputs.joints]
    objects = [name in episode.info.objects for name in inputs.objects]
    return np.array(joints + list(np.repeat(objects, OBJECT_FEATURES)), np.bool_)


def check_related(episode: Episode, rig: Rig) -> None:
    """Raises BadInput when a policy for ``rig`` cannot learn from ``episode``."""
    info = episode.info
    if info.fps != rig.rate_hz:
        raise BadInput(f"{episode.path}: recorded at {info.fps:g} Hz, the first dataset at {rig.rate_hz:g} Hz")
    if not set(info.joint_names) & set(rig.joint_names):
        raise BadInput(
            f"{episode.path}: shares no joint with the first dataset: {', '.join(info.joint_names[:3])} ... "
            f"and {', '.join(rig.joint_names[:3])} ..."
        )


def check_complete(episode: Episode, inputs: Inputs) -> None:
    """Raises BadInput when ``episode`` lacks a joint, camera or object that a policy is to learn from."""
    info = episode.info
    for what, needed, there in (
        ("joint", inputs.joints, info.joint_names),
        ("camera", [camera.name for camera in inputs.cameras], info.camera_names),
        ("object", inputs.objects, info.objects),
    ):
        for name in needed:
            if name not in there:
                cure = f"which the policy is to learn from; {nearest(name, there)}"
                raise BadInput(f"{episode.path}: has no {what} {name!r}, {cure}")
