"""Video files of equally spaced frames, written and read through PyAV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from il_robot.episodes.conversion.library import library
from il_robot.errors import BadInput, Fault
from il_robot.types import Image


def write_video(file: Path, images: Iterable[Image], fps: int, codec: str, options: dict[str, str], gop: int) -> None:
    """An MP4 whose frame t is shown at ``t / fps``; sizes must be even. Raises Fault when it cannot be written."""
    av = library("av")
    os.environ.setdefault("SVT_LOG", "1")  # Else the AV1 encoder tells its settings at length, twice per video.
    try:
        with _priority_kept(), av.open(str(file), "w") as container:
            stream = container.add_stream(codec, rate=fps, options={**options, "g": str(gop)})
            stream.pix_fmt = "yuv420p"
            for t, image in enumerate(images):
                if t == 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame.pts, frame.time_base = t, Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise Fault(f"{file}: cannot encode {codec}: {error}") from None


def read_video(file: Path, begin_s: float, fps: float, frames: int) -> Iterator[Image | None]:
    """RGB frames of the episode that begins at ``begin_s``; None for one the file lacks.

    Raises BadInput when the file is no video or is damaged.
    """
    av = library("av")
    done = 0
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise BadInput(f"{file}: no video in it")
            container.seek(max(0, int(begin_s * av.time_base)))
            for frame in container.decode(video=0):
                number = round((frame.time - begin_s) * fps) if frame.time is not None else -1
                if number < done:
                    continue
                if number >= frames:
                    break
                yield from [None] * (number - done)
                yield frame.to_ndarray(format="rgb24")
                done = number + 1
    except av.FFmpegError as error:
        raise BadInput(f"{file}: {error}") from None
    yield from [None] * (frames - done)


@contextlib.contextmanager
def _priority_kept() -> Iterator[None]:
    """Run by root, the AV1 encoder leaves the calling thread with real-time priority, and all that it starts later."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)
