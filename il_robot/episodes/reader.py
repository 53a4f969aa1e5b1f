"""Reads one episode: small arrays whole and on first use, frames one by one where they lie.

zarr is not on this path: the shard's index is read once and a frame is one ``pread`` and one decode.
``pread`` has no file position and nothing stays open, so one Episode may be used from many threads, and
after a fork, at once. Pickling sends the path only.

Axes: T steps, J joints, A followers, C cameras, S streams (A + C).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_robot.episodes.attributes import read_attributes
from il_robot.episodes.columns import columns, read_column, row_dtype
from il_robot.episodes.journal import read_journal
from il_robot.episodes.jpeg_codec import decode
from il_robot.episodes.layout import FRAMES_PER_SHARD, JOURNAL, EpisodeInfo, Outcome, Recorded, Validity, episode_id_of
from il_robot.episodes.location import location
from il_robot.episodes.shard import EMPTY, read_frame, read_index, shard_path
from il_robot.errors import BadInput, nearest, unread
from il_robot.types import Floats, Image, Mode


class Episode:
    """One episode folder. An episode that is not complete yet shows the steps committed when it was first looked at."""

    def __init__(self, path: Path | str) -> None:
        """Read the attributes only. Raises BadInput when ``path`` is not an episode."""
        self.path = location(path)
        self.info: EpisodeInfo
        self.recorded: Recorded
        self.info, self.recorded = read_attributes(self.path)
        self._columns = {column.path: column for column in columns(self.info)}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._indexes: dict[tuple[str, int], NDArray[np.uint64]] = {}

    def __reduce__(self) -> tuple[type[Episode], tuple[Path]]:
        return Episode, (self.path,)

    def __repr__(self) -> str:
        return f"Episode({str(self.path)!r}, steps={self.steps}, outcome={self.outcome!r})"

    @property
    def id(self) -> str:
        """The folder's name without suffix."""
        return episode_id_of(self.path)

    @property
    def complete(self) -> bool:
        return self.recorded.complete

    @property
    def outcome(self) -> Outcome:
        return self.recorded.outcome

    @property
    def steps(self) -> int:
        """T."""
        rows = self._journal
        return self.recorded.steps if rows is None else len(rows)

    @property
    def qpos(self) -> Floats:
        """(T, J) joint positions [rad], grippers [opening 0..1]."""
        return self.array("observations/qpos")

    @property
    def qvel(self) -> Floats:
        """(T, J) [rad/s], grippers [1/s]; NaN where nothing measured it."""
        return self.array("observations/qvel")

    @property
    def effort(self) -> Floats:
        """(T, J) in ``info.effort_unit``; NaN where nothing measured it."""
        return self.array("observations/effort")

    @cached_property
    def objects(self) -> Mapping[str, Floats]:
        """Object name -> (T, 7) x y z [m] qw qx qy qz; NaN where unknown."""
        return {name: self.array(f"observations/objects/{name}") for name in self.info.objects}

    @property
    def action(self) -> Floats:
        """(T, J) what was sent to the followers."""
        return self.array("action")

    @property
    def action_asked(self) -> Floats:
        """(T, J) what the driver wanted, before the safety gate."""
        return self.array("action_asked")

    @property
    def mode(self) -> NDArray[np.int8]:
        """(T,) who drove, a :class:`il_robot.types.Mode`."""
        return self.array("control/mode")

    def driver(self, t: int) -> Mode:
        """Who drove step ``t``. Raises BadInput for a number that is no mode."""
        try:
            return Mode(int(self.mode[t]))
        except ValueError:
            allowed = f"allowed: {min(Mode)} to {max(Mode)}"
            raise BadInput(f"{self.path}: step {t}: {self.mode[t]} is no mode; {allowed}") from None

    @property
    def intervention(self) -> NDArray[np.int32]:
        """(T,) 0 outside, else the count of the intervention."""
        return self.array("control/intervention")

    @property
    def gate(self) -> NDArray[np.uint8]:
        """(T,) what the safety gate did, a :class:`il_robot.types.Gate`."""
        return self.array("control/gate")

    @property
    def step_ns(self) -> NDArray[np.int64]:
        """(T,) time of each step."""
        return self.array("time/step_ns")

    @property
    def joint_ns(self) -> NDArray[np.int64]:
        """(T, A) capture time of each follower's joint state."""
        return self.array("time/joint_ns")

    @property
    def camera_ns(self) -> NDArray[np.int64]:
        """(T, C) capture time of each frame shown; 0 where a frame is missing."""
        return self.array("time/camera_ns")

    @property
    def camera_sequence(self) -> NDArray[np.int64]:
        """(T, C) each camera's own count of frames; 0 where a frame is missing."""
        return self.array("time/camera_sequence")

    @property
    def valid(self) -> NDArray[np.uint8]:
        """(T, S) a :class:`Validity` for each of ``info.streams``."""
        return self.array("control/valid")

    def validity(self, stream: str) -> NDArray[np.uint8]:
        """(T,) the :class:`Validity` of one follower or camera."""
        streams = self.info.streams
        if stream not in streams:
            raise BadInput(f"{self.path}: no stream {stream!r}; {nearest(stream, streams)}")
        return self.valid[:, streams.index(stream)]

    def frame_jpeg(self, camera: str, t: int) -> bytes:
        """The JPEG of step ``t`` as it was stored. Raises BadInput when the frame is missing or damaged."""
        return bytes(self._frame(camera, t))

    def image(self, camera: str, t: int, out: Image | None = None) -> Image:
        """(H, W, 3) RGB of step ``t``, written into ``out`` if given.

        Raises BadInput when the frame is missing (never black instead) or damaged.
        """
        info = self.info.cameras[self._camera_number(camera)]
        jpeg = self._frame(camera, t)
        try:
            return decode(jpeg, info.height, info.width, out)
        except ValueError as error:
            raise BadInput(f"{self.path}: camera {camera}, step {t}: {error}") from None

    def images(self, camera: str, steps: Sequence[int] | NDArray[Any]) -> Image:
        """(len(steps), H, W, 3) RGB. Raises as :meth:`image`."""
        info = self.info.cameras[self._camera_number(camera)]
        if len(steps) == 0:
            return np.empty((0, info.height, info.width, 3), np.uint8)
        first = self.image(camera, int(steps[0]))  # Its size is checked before memory is taken for all.
        images = np.empty((len(steps), *first.shape), np.uint8)
        images[0] = first
        for image, t in zip(images[1:], steps[1:], strict=True):
            self.image(camera, int(t), image)
        return images

    def array(self, path: str) -> NDArray[Any]:
        """(T, ...) the array at ``path`` (``observations/qpos``), read once; read-only, for all who ask share it."""
        array = self._arrays.get(path)
        if array is None:
            column = self._columns.get(path)
            if column is None:
                array = self._without_axis(path)
            elif self._journal is None:
                array = read_column(self.path, column, self.recorded.steps)
            else:
                array = self._journal[path]
            array.flags.writeable = False
            self._arrays[path] = array
        return array

    def _without_axis(self, path: str) -> NDArray[Any]:
        """(T, 0): an array that is not stored, for the episode has no camera or no follower."""
        dtypes = {"time/joint_ns": np.int64, "time/camera_ns": np.int64, "time/camera_sequence": np.int64}
        dtype = {**dtypes, "control/valid": np.uint8}.get(path)
        if dtype is None:
            raise BadInput(f"{self.path}: no array {path!r}; {nearest(path, self._columns)}")
        return np.zeros((self.steps, 0), dtype)

    @cached_property
    def _journal(self) -> NDArray[Any] | None:
        """The rows of an episode being recorded; None of one that is complete, perhaps only since it was opened."""
        if self.complete:
            return None
        try:
            return read_journal(self.path, row_dtype(self.info))
        except FileNotFoundError:
            self.info, self.recorded = read_attributes(self.path)
        except OSError as error:
            raise unread(error, f"{self.path / JOURNAL}: {error.strerror}") from None
        if not self.complete:
            raise BadInput(f"{self.path}: neither complete nor with a journal")
        return None

    def _camera_number(self, camera: str) -> int:
        names = self.info.camera_names
        if camera not in names:
            raise BadInput(f"{self.path}: no camera {camera!r}; {nearest(camera, names)}")
        return names.index(camera)

    def _frame(self, camera: str, t: int) -> memoryview:
        c = self._camera_number(camera)
        if not 0 <= t < self.steps:
            raise BadInput(f"{self.path}: step {t} is outside [0, {self.steps})")
        shard, slot = divmod(t, FRAMES_PER_SHARD)
        if self.valid[t, len(self.info.followers) + c] == Validity.MISSING:
            raise BadInput(f"{self.path}: camera {camera} has no frame at step {t}")
        offset, nbytes = self._index(camera, shard)[slot].tolist()
        if offset == EMPTY:
            raise BadInput(f"{self.path}: camera {camera}: the frame of step {t} is not in its shard")
        return read_frame(shard_path(self.path, camera, shard), offset, nbytes)

    def _index(self, camera: str, shard: int) -> NDArray[np.uint64]:
        index = self._indexes.get((camera, shard))
        if index is None:
            index = read_index(shard_path(self.path, camera, shard))
            self._indexes[camera, shard] = index
        return index
