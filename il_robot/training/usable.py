"""Steps from which a window may begin, and why from others none does.

Axes: T steps of an episode, S state, J joints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.policies.inputs import OBJECT_FEATURES, Inputs
from il_robot.training.alignment import cameras_of, columns_of
from il_robot.types import Floats, Mode

IMITATED = (Mode.DEMONSTRATION, Mode.HUMAN)
"""Steps worth imitating: a human drove. Never a robot's own, nor the blend of a takeover."""


def hindrances(episode: Episode, state_TS: Floats, inputs: Inputs) -> dict[str, NDArray[np.bool_]]:
    """Reason -> (T,) the steps that it alone, or it before others, leaves out.

    A step is usable when a human drove and all that is needed was there. What the episode's rig does not have at all
    (co-training) is not needed.
    """
    unknown_TS = ~np.isfinite(state_TS) & columns_of(episode, inputs)
    found: dict[str, NDArray[np.bool_]] = {"not driven by a human": ~np.isin(episode.mode, IMITATED)}
    for stream in (*episode.info.followers, *cameras_of(episode, inputs)):
        found[f"without {stream}"] = episode.validity(stream) == Validity.MISSING
    joints = len(inputs.joints)
    found["without the position of a joint"] = np.any(unknown_TS[:, :joints], axis=-1)
    for number, name in enumerate(inputs.objects):
        first = joints + number * OBJECT_FEATURES
        found[f"without the pose of {name}"] = np.any(unknown_TS[:, first : first + OBJECT_FEATURES], axis=-1)
    out_T = np.zeros(len(state_TS), np.bool_)
    for reason, bad_T in found.items():
        found[reason], out_T = bad_T & ~out_T, out_T | bad_T
    return found
