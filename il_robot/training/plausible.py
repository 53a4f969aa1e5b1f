"""Numbers that can be learned from: a single wild one would spoil a whole run's statistics without a word."""

from __future__ import annotations

import numpy as np

from il_robot.episodes.poses import impossible
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Floats


def actions_of(episode: Episode) -> Floats:
    """(T, J). Raises BadInput naming the first step and joint whose action is no number, or wild."""
    action_TJ = np.asarray(episode.action, np.float32)
    bad = np.flatnonzero(~np.isfinite(action_TJ).all(-1))
    if len(bad):
        joint = episode.info.joint_names[int(np.flatnonzero(~np.isfinite(action_TJ[bad[0]]))[0])]
        raise BadInput(f"{episode.path}: step {bad[0]}: the action of {joint} is not finite")
    _refuse_wild(episode, "action", action_TJ)
    return action_TJ


def positions_of(episode: Episode) -> Floats:
    """(T, J), NaN where an arm was not heard. Raises BadInput naming the first step and joint that is wild."""
    qpos_TJ = np.asarray(episode.qpos, np.float32)
    _refuse_wild(episode, "observations/qpos", qpos_TJ)
    return qpos_TJ


def poses_of(episode: Episode, name: str) -> Floats:
    """(T, 7) of an object, NaN where it was not seen. Raises BadInput naming the first step that cannot be."""
    pose_T7 = np.asarray(episode.objects[name], np.float32)
    bad = np.flatnonzero(impossible(pose_T7))
    if len(bad):
        numbers = " ".join(f"{number:.4g}" for number in pose_T7[bad[0]])
        raise BadInput(
            f"{episode.path}: step {bad[0]}: the pose of {name} is {numbers}, which is no place on a table or no "
            "rotation"
        )
    return pose_T7


def _refuse_wild(episode: Episode, array: str, values_TJ: Floats) -> None:
    """Beyond its limits by more than the joint's whole range. What lies just beyond a limit is another rig's leader."""
    lower_J = np.array([joint.lower for joint in episode.info.joints])
    upper_J = np.array([joint.upper for joint in episode.info.joints])
    beyond_TJ = np.maximum(lower_J - values_TJ, values_TJ - upper_J)
    wild = np.argwhere(beyond_TJ > upper_J - lower_J)  # False for NaN
    if len(wild):
        t, j = wild[0]
        joint = episode.info.joints[j]
        raise BadInput(
            f"{episode.path}: step {t}: {array} of {joint.name} is {values_TJ[t, j]:.4g} {joint.unit}, its limits are "
            f"{joint.lower:.4g} to {joint.upper:.4g}"
        )
