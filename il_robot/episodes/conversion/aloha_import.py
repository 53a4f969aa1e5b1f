"""ALOHA HDF5 files, uncompressed or compressed, into episodes. Axes: T steps, H W C image, P padded JPEG."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.counted import counted
from il_robot.episodes.conversion.aloha_carried import read_carried
from il_robot.episodes.conversion.aloha_gripper import GRIPPERS
from il_robot.episodes.conversion.aloha_layout import (
    ACTION,
    EFFORT,
    GRIPPER_INDEXES,
    IMAGES,
    JOINTS,
    QPOS,
    QVEL,
    Channels,
    GripperConvention,
    joints,
)
from il_robot.episodes.conversion.carried import restored
from il_robot.episodes.conversion.intake import MAX_PIXELS, MAX_STEPS, Incoming, origin, take_in, whole_jpeg
from il_robot.episodes.conversion.library import library
from il_robot.episodes.jpeg_codec import decode, encode, size_of
from il_robot.episodes.layout import CameraInfo, EpisodeInfo, Outcome
from il_robot.errors import BadInput

_DAMAGE = (
    OSError,
    KeyError,
    ValueError,
    RuntimeError,
    TypeError,
    IndexError,
    AttributeError,
    MemoryError,
    OverflowError,
)
"""What h5py raises for a damaged file, depending on where the damage is."""


@dataclass(frozen=True)
class AlohaSettings:
    """What an ALOHA file does not say itself."""

    fps: float = 50.0
    task: str = ""
    operator: str = ""
    grippers: GripperConvention = "auto"
    channels: Channels = "rgb"
    quality: int = 95


def aloha_files(source: Path) -> list[Path]:
    """``source`` itself, or its ``*.hdf5`` in the order of their numbers. Raises BadInput when there is none."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise BadInput(f"{source}: no such file or folder")
    files = sorted(source.glob("*.hdf5"), key=lambda path: episode_name(path.stem))
    if not files:
        raise BadInput(f"{source}: holds no *.hdf5")
    return files


def episode_name(stem: str) -> str:
    """``episode_7`` becomes ``episode_000007``, so that names sort as numbers do."""
    padded = re.sub(r"\d+", lambda number: number.group().zfill(6), stem)
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", padded).lstrip("_.-") or "episode"


def cpu_limit_s(file: Path) -> int:
    """More processor time than such a file takes; a damaged one can send the HDF5 library in circles."""
    return 60 + file.stat().st_size // 100_000


def import_aloha_file(file: Path, dataset: Path, settings: AlohaSettings) -> bool:
    """One file becomes one episode; False when it was imported already. Best run in a child, see isolation.py.

    Raises BadInput when it is damaged or not such a file, Fault when the disk fails.
    """
    with opened_aloha_file(file, settings) as incoming:
        return take_in(dataset, incoming)


@contextmanager
def opened_aloha_file(file: Path, settings: AlohaSettings) -> Iterator[Incoming]:
    """The episode in ``file``; its frames are read as they are asked for. Raises BadInput, also while they are."""
    h5py = library("h5py")
    with ExitStack() as stack:
        with _refusing_damage(file):
            root = stack.enter_context(h5py.File(file, "r"))
            incoming = _Reader(h5py, root, file, settings).incoming()
        yield incoming


@contextmanager
def _refusing_damage(file: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise BadInput(f"{file}: damaged, or not an ALOHA file: {reason}") from None


class _Reader:
    """One open file. Raises BadInput or one of _DAMAGE."""

    def __init__(self, h5py: Any, root: Any, file: Path, settings: AlohaSettings) -> None:
        self._h5py = h5py
        self._root = root
        self._file = file
        self._settings = settings
        self._simulated = bool(root.attrs.get("sim", False))

    def incoming(self) -> Incoming:
        action = self._vectors(ACTION)
        columns = {QPOS: self._vectors(QPOS), ACTION: action}
        columns |= {path: self._vectors(path) for path in (QVEL, EFFORT) if path in self._root}
        for path, values in columns.items():
            if len(values) != len(action):
                raise BadInput(f"{self._file}: {path} has {counted(len(values), 'step')}, {ACTION} has {len(action)}")
        carried = read_carried(self._root, self._dataset, len(action), self._file)
        convention = self._convert_grippers(columns, carried.grippers if carried else None)
        images = self._images(len(action))
        cameras = tuple(self._camera(name, stored) for name, stored in images.items())
        with self._file.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        imported = origin("aloha", self._file.name, digest, grippers=convention, channels=self._settings.channels)
        if carried:
            info = self._as_told(restored(carried.facts, cameras, imported, str(self._file)))
            outcome: Outcome = carried.facts.outcome
            columns |= carried.columns
        else:
            info, outcome = self._guessed(cameras, imported, has_effort=EFFORT in columns), "unmarked"
        frames = self._frames(info.cameras, [images[name] for name in info.camera_names], len(action))
        return Incoming(episode_name(self._file.stem), info, columns, frames, outcome)

    def _as_told(self, info: EpisodeInfo) -> EpisodeInfo:
        """What whoever imports says of task and operator goes before what the file says."""
        settings = self._settings
        return replace(info, task=settings.task or info.task, operator=settings.operator or info.operator)

    def _guessed(self, cameras: tuple[CameraInfo, ...], imported: dict[str, Any], *, has_effort: bool) -> EpisodeInfo:
        """The facts of a file that tells none: those of the original's robot."""
        return EpisodeInfo(
            fps=self._settings.fps,
            joints=joints(),
            followers=("follower_left", "follower_right"),
            cameras=cameras,
            rig="aloha",
            task=self._settings.task,
            operator=self._settings.operator,
            effort_unit="mA" if has_effort else "",
            clock="simulated" if self._simulated else "system",
            configuration={"imported": imported},
            synthetic_stamps=True,
        )

    def _dataset(self, path: str) -> Any:
        stored = self._root.get(path)
        if not isinstance(stored, self._h5py.Dataset):
            raise BadInput(f"{self._file}: no array {path!r}: not an ALOHA file")
        if stored.is_virtual or stored.external:
            raise BadInput(f"{self._file}: {path} lies in another file")
        if (
            not stored.shape
            or not 0 < stored.shape[0] <= MAX_STEPS
            or np.prod(stored.shape[1:], dtype=float) > 3 * MAX_PIXELS
        ):
            raise BadInput(f"{self._file}: {path} of shape {stored.shape} is empty or not credible")
        if stored.chunks and np.prod(stored.chunks, dtype=float) * stored.dtype.itemsize > 8 * MAX_PIXELS:
            raise BadInput(f"{self._file}: {path} has chunks of {stored.chunks}: not credible")
        return stored

    def _vectors(self, path: str) -> NDArray[np.float32]:
        stored = self._dataset(path)
        if stored.shape[1:] != (JOINTS,) or stored.dtype.kind != "f":
            raise BadInput(f"{self._file}: {path} is {stored.dtype} {stored.shape}, not floats (T, {JOINTS})")
        return np.asarray(stored[()], np.float32)

    def _convert_grippers(self, columns: dict[str, NDArray[np.float32]], told: str | None) -> str:
        """Observed grippers to openings, in place; the convention that was found, or ``told`` by the file."""
        convention: str = self._settings.grippers
        if convention == "auto":
            convention = told or ("opening" if self._simulated else "original")
        if convention != "opening":
            qpos = columns[QPOS]
            qpos[:, GRIPPER_INDEXES] = GRIPPERS[convention].opening(qpos[:, GRIPPER_INDEXES])
            if QVEL in columns:
                # The original writes a constant 0 there: nothing measured it.
                columns[QVEL][:, GRIPPER_INDEXES] = np.nan
        return convention

    def _images(self, steps: int) -> dict[str, Any]:
        if IMAGES not in self._root:
            return {}
        stored = {name: self._dataset(f"{IMAGES}/{name}") for name in self._root[IMAGES]}
        for name, array in stored.items():
            raw, padded = array.ndim == 4 and array.shape[3] == 3, array.ndim == 2
            if array.dtype != np.uint8 or not (raw or padded):
                raise BadInput(f"{self._file}: {IMAGES}/{name} is {array.dtype} {array.shape}: neither images nor JPEG")
            if array.shape[0] != steps:
                raise BadInput(
                    f"{self._file}: camera {name} has {counted(array.shape[0], 'frame')} for {counted(steps, 'step')}"
                )
        return stored

    def _camera(self, name: str, stored: Any) -> CameraInfo:
        if stored.ndim == 4:
            return CameraInfo(name, stored.shape[1], stored.shape[2], self._settings.quality)
        for t in range(stored.shape[0]):
            try:
                height, width = size_of(stored[t].tobytes())
            except ValueError:
                continue
            if height * width <= MAX_PIXELS:
                return CameraInfo(name, height, width, self._settings.quality)
        raise BadInput(f"{self._file}: camera {name} has no frame that can be decoded")

    def _frames(self, cameras: tuple[CameraInfo, ...], images: list[Any], steps: int) -> Iterator[list[bytes | None]]:
        for t in range(steps):
            with _refusing_damage(self._file):
                jpegs = [self._jpeg(camera, stored[t]) for camera, stored in zip(cameras, images, strict=True)]
            yield jpegs

    def _jpeg(self, camera: CameraInfo, stored: NDArray[np.uint8]) -> bytes | None:
        """The frame as a JPEG of true colours.

        The original writes RGB arrays through a library that takes them for BGR, so its JPEGs have red and blue
        swapped: they are encoded anew. A JPEG of true colours stays as it is.
        """
        swapped = self._settings.channels == "rgb"
        if stored.ndim == 3:
            return encode(stored if swapped else stored[:, :, ::-1], self._settings.quality)
        # compress_len does not say which camera each of its rows means; a JPEG ends with FFD9, the padding is zeros.
        jpeg = stored.tobytes().rstrip(b"\0")
        if not swapped:
            return whole_jpeg(jpeg, camera)
        try:
            pixels = decode(jpeg, camera.height, camera.width)
        except ValueError:
            return None
        return encode(pixels[:, :, ::-1], self._settings.quality)
