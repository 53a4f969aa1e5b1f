"""A recorder to be killed: ``recorder_process.py DATASET [file-size limit in bytes]``.

Prints the number of acknowledged steps after every step; ends with ``fault: ...`` when the disk refuses.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from recorded import frames_of, info_of, step_of

from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import Fault
from il_robot.types import Frame

CAMERAS = (("cam_high", 96, 128), ("cam_wrist", 17, 33))


def noisy_frames_of(t: int) -> dict[str, Frame]:
    """Frames that take far more bytes than usual, so that they outgrow their shard's reserve."""
    frames = frames_of(info_of(CAMERAS), t)
    noise = np.random.default_rng(t).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return {**frames, "cam_high": replace(frames["cam_high"], jpeg=encode(noise))}


def assert_is_what_was_recorded(episode: Episode) -> None:
    """Every step of ``episode`` is one that :func:`main` records, with its frames."""
    info = info_of(CAMERAS)
    assert np.array_equal(episode.qpos, [step_of(info, t).observation.qpos for t in range(episode.steps)])
    assert np.array_equal(episode.step_ns, [step_of(info, t).time_ns for t in range(episode.steps)])
    assert (episode.valid == Validity.FRESH).all()
    for t in {0, episode.steps // 2, episode.steps - 1}:
        for name, frame in noisy_frames_of(t).items():
            assert episode.frame_jpeg(name, t) == frame.jpeg


def unfinished(dataset: Path, steps: int) -> Path:
    """The folder as a kill leaves it: the writer's thread is simply let go."""
    info = info_of(CAMERAS)
    writer = EpisodeWriter.create(dataset, info, minimum_s=1, queue_steps=steps, sync_s=None)
    for t in range(steps):
        writer.append(step_of(info, t), noisy_frames_of(t))
    writer.flush()
    writer._stop()
    writer._recording._close_journal()
    return writer.path


def main(dataset: Path, limit: int | None) -> None:
    info = info_of(CAMERAS)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    writer = EpisodeWriter.create(dataset, info, minimum_s=1, queue_steps=50)
    t = 0
    while True:
        try:
            writer.append(step_of(info, t), noisy_frames_of(t))
        except Fault as fault:
            print(f"acknowledged {writer.acknowledged}", flush=True)
            writer.close()
            print(f"fault: {fault}", flush=True)
            return
        t += 1
        print(f"acknowledged {writer.acknowledged}", flush=True)
        time.sleep(0.001)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
