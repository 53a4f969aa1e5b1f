"""What an episode teaches, in eight letters: whether a run that goes on still learns from what it began with."""

from __future__ import annotations

import numpy as np
from crc32c import crc32c

from il_robot.episodes.layout import FRAMES_PER_SHARD, Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import read_index, shard_path
from il_robot.policies.inputs import Inputs
from il_robot.training.alignment import cameras_of
from il_robot.training.damaged import told_to_prune

_LEARNED_FROM = ("observations/qpos", "action", "control/mode", "control/intervention", "control/valid")


@told_to_prune()
def fingerprint(episode: Episode, inputs: Inputs) -> str:
    """The checksum of an episode's joints, rate, positions, actions and object poses, of who drove, and of the sizes
    of the frames that a policy with ``inputs`` looks at.

    No frame is read: one that was exchanged is noticed by its size, or not at all. Whoever trains needs everything
    else anyway. Raises BadInput for a damaged episode.
    """
    info = episode.info
    crc = crc32c(repr((info.fps, info.joint_names, info.objects)).encode())
    for path in (*_LEARNED_FROM, *(f"observations/objects/{name}" for name in info.objects)):
        crc = crc32c(episode.array(path).tobytes(), crc)
    for camera in cameras_of(episode, inputs):
        for shard in np.unique(np.flatnonzero(episode.validity(camera) != Validity.MISSING) // FRAMES_PER_SHARD):
            crc = crc32c(read_index(shard_path(episode.path, camera, int(shard)))[:, 1].tobytes(), crc)
    return f"{crc:08x}"
