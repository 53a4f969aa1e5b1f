"""One camera's way into its shards: which are opened when, and what counts as a frame."""

from __future__ import annotations

import threading
from pathlib import Path

from il_robot.episodes.jpeg_codec import size_of
from il_robot.episodes.layout import FRAMES_PER_SHARD, CameraInfo, Validity
from il_robot.episodes.shard import ShardWriter, reserve_bytes, shard_path
from il_robot.errors import Fault
from il_robot.types import Frame

_TRAILER = 4096
"""Cameras pad their JPEG to a block: the end mark is looked for in so many last bytes."""


class CameraTrack:
    """The shards of one camera, and which frame the last step showed."""

    def __init__(self, episode: Path, camera: CameraInfo, files: threading.Lock) -> None:
        """``files`` is held while a file is closed, so that nobody uses its number then."""
        self._files = files
        self._episode = episode
        self._camera = camera
        self._number = -1
        self._shard: ShardWriter | None = None
        self._shown: tuple[Frame, int, int, int] | None = None
        """The frame shown last, its shard, and its (offset, nbytes) in there."""

    def open_shard(self, number: int) -> ShardWriter:
        """The shard ``number``, created with its reserve when it is the next one."""
        if self._shard is None or number != self._number:
            self.seal()
            self._shard = ShardWriter(shard_path(self._episode, self._camera.name, number), reserve_bytes(self._camera))
            self._number = number
        return self._shard

    def write(self, step: int, frame: Frame | None) -> tuple[Validity, int, int]:
        """Store the frame of ``step``; its validity and its (offset, nbytes) in the step's shard."""
        number, slot = divmod(step, FRAMES_PER_SHARD)
        shard = self.open_shard(number)
        if frame is None or not self._is_whole(frame.jpeg):
            return Validity.MISSING, 0, 0
        before = self._shown
        repeated = before is not None and (before[0].sequence, before[0].time_ns) == (frame.sequence, frame.time_ns)
        if before is not None and repeated and before[1] == number:
            _, _, offset, nbytes = before
            shard.point(slot, offset, nbytes)
        else:
            offset, nbytes = shard.append(slot, frame.jpeg)
        self._shown = frame, number, offset, nbytes
        return (Validity.REPEATED if repeated else Validity.FRESH), offset, nbytes

    def seal(self) -> None:
        """Close the shard being written, if any."""
        if self._shard is not None:
            with self._files:
                self._shard.seal()
                self._shard = None

    def duplicate(self) -> list[tuple[int, int, int]]:
        """The open file once more, to be closed by the caller, and its settled bytes; hold ``files`` meanwhile."""
        return [] if self._shard is None else [(self._shard.duplicate(), *self._shard.settled)]

    def _is_whole(self, jpeg: bytes) -> bool:
        """False for a JPEG cut off on its way here. Raises Fault for one of another size."""
        try:
            height, width = size_of(jpeg)
        except ValueError:
            return False
        camera = self._camera
        if (height, width) != (camera.height, camera.width):
            raise Fault(f"camera {camera.name} sends {width}x{height}, the rig says {camera.width}x{camera.height}")
        return jpeg.find(b"\xff\xd9", max(0, len(jpeg) - _TRAILER)) >= 0
