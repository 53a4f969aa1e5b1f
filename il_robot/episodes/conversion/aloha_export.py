"""Episodes into ALOHA HDF5 files, as the original loaders (ACT, Mobile ALOHA) expect them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from il_robot.episodes.conversion.aloha_gripper import GRIPPERS
from il_robot.episodes.conversion.aloha_layout import (
    ACTION,
    COMPRESS_LENGTH,
    EFFORT,
    FACTS,
    GRIPPER_INDEXES,
    GRIPPERS_KEY,
    IMAGES,
    JOINTS,
    OWN,
    QPOS,
    QVEL,
    GripperConvention,
)
from il_robot.episodes.conversion.carried import NAME, carried_columns, facts_of
from il_robot.episodes.conversion.library import library
from il_robot.episodes.conversion.outgoing_frames import filled_steps, whole_image
from il_robot.episodes.conversion.outlet import reason
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import CameraInfo
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, Fault

_CACHE_BYTES = 2 * 1024**2
"""As the original opens its files."""


_BROKEN: list[Any] = []
"""What is left of a file that the disk refused. To close it, or any object in it, can crash the HDF5 library, also when
the process ends by itself."""


def export_aloha_file(episode: Episode, file: Path, grippers: GripperConvention, jpeg_quality: int | None) -> None:
    """Write ``file``; images uncompressed, or as JPEG of ``jpeg_quality``.

    Its joints must be ALOHA's (:func:`refuse_other_joints`). To be run in a child that is killed in the end
    (isolation.py). Raises BadInput when the episode is damaged, and there is no file then; Fault when the disk fails.
    """
    # Objects that h5py drops on the way say there that they could not be closed.
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            root = library("h5py").File(file, "w", rdcc_nbytes=_CACHE_BYTES)
            _BROKEN.append(root)
            _write(root, episode, grippers, jpeg_quality)
            root.flush()
            root.close()
        except BadInput:
            root.close()
            file.unlink()
            raise
        except (OSError, RuntimeError) as error:
            _BROKEN.append(error)
            raise Fault(f"{file.name}: cannot be written: {reason(error)}") from None
    _BROKEN.clear()


def write_limit_s(episode: Episode) -> int:
    """More processor time than writing the episode takes."""
    return 60 + episode.steps * (1 + len(episode.info.cameras))


def _write(root: Any, episode: Episode, grippers: GripperConvention, jpeg_quality: int | None) -> None:
    root.attrs["sim"] = episode.info.clock == "simulated"
    convention = _convention(grippers, episode)
    _write_vectors(root, episode, convention)
    group = root.create_group(IMAGES)
    # An HDF5 group lists its members by name: the rows of compress_len must have that order.
    cameras = sorted(episode.info.cameras, key=lambda camera: camera.name)
    if jpeg_quality is None:
        for camera in cameras:
            _write_images(group, episode, camera)
    else:
        root.attrs["compress"] = True
        lengths = [_write_jpegs(group, episode, camera, jpeg_quality) for camera in cameras]
        root[COMPRESS_LENGTH] = np.array(lengths, np.float32).reshape(len(cameras), episode.steps)
    _carry(root.create_group(NAME), episode, convention)


def refuse_other_joints(episode: Episode) -> None:
    """Raises BadInput when the episode's joints are not ALOHA's."""
    units = ["opening" if j in GRIPPER_INDEXES else "rad" for j in range(JOINTS)]
    if [joint.unit for joint in episode.info.joints] != units:
        raise BadInput(f"{episode.path}: an ALOHA file has {JOINTS} joints: twice six joints [rad] and a gripper")


def _convention(grippers: GripperConvention, episode: Episode) -> GripperConvention:
    if grippers != "auto":
        return grippers
    return "opening" if episode.info.clock == "simulated" else "original"


def _carry(group: Any, episode: Episode, convention: GripperConvention) -> None:
    """What the format has no place for. The original's loaders read what they know by name and never list the root."""
    group[FACTS] = json.dumps({**facts_of(episode), GRIPPERS_KEY: convention})
    for column in carried_columns(episode.info, OWN):
        group[column.path] = episode.array(column.path)


def _write_vectors(root: Any, episode: Episode, convention: GripperConvention) -> None:
    qpos, qvel = episode.qpos.copy(), np.nan_to_num(episode.qvel)
    if convention != "opening":
        qpos[:, GRIPPER_INDEXES] = GRIPPERS[convention].finger(qpos[:, GRIPPER_INDEXES])
        qvel[:, GRIPPER_INDEXES] = 0.0
    # The original knows no NaN: what nothing measured is 0 in its files.
    root[QPOS], root[QVEL], root[EFFORT] = qpos, qvel, np.nan_to_num(episode.effort)
    root[ACTION] = episode.action


def _write_images(group: Any, episode: Episode, camera: CameraInfo) -> None:
    shape = (camera.height, camera.width, 3)
    stored = None
    for t, source in enumerate(filled_steps(episode, camera.name)):
        image = whole_image(episode, camera, int(source))
        if stored is None:  # Only now its size is known to be no lie.
            stored = group.create_dataset(camera.name, (episode.steps, *shape), np.uint8, chunks=(1, *shape))
        stored[t] = image


def _write_jpegs(group: Any, episode: Episode, camera: CameraInfo, quality: int) -> list[int]:
    """The lengths of the JPEGs. Red and blue are swapped in them, which is how the original loader undoes it."""
    steps = filled_steps(episode, camera.name)
    jpegs = [encode(whole_image(episode, camera, int(t))[:, :, ::-1], quality) for t in steps]
    lengths = [len(jpeg) for jpeg in jpegs]
    stored = group.create_dataset(camera.name, (episode.steps, max(lengths)), np.uint8, chunks=(1, max(lengths)))
    for t, jpeg in enumerate(jpegs):
        stored[t] = np.frombuffer(jpeg.ljust(max(lengths), b"\0"), np.uint8)
    return lengths
