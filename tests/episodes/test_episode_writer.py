"""What the writer promises: rows never shift, missing frames are marked, failures are loud and lose nothing."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import START_NS, frames_of, image_of, info_of, record, step_of

from il_robot.episodes.disk import sync_and_forget
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import FRAMES_PER_SHARD, JOURNAL, ROWS_PER_CHUNK, Losses, Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.recording import Recording
from il_robot.episodes.shard import DATA_START, shard_path
from il_robot.episodes.staging import staged
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault
from il_robot.types import Frame, Mode

TWO = (("cam_high", 24, 32), ("cam_wrist", 17, 33))


@pytest.mark.parametrize("steps", [1, FRAMES_PER_SHARD, FRAMES_PER_SHARD + 1, ROWS_PER_CHUNK, ROWS_PER_CHUNK + 3])
def test_an_episode_comes_back_as_it_was_written(tmp_path: Path, steps: int) -> None:
    info = info_of(TWO)
    episode = Episode(record(tmp_path, info, steps))

    assert (episode.steps, episode.complete, episode.outcome) == (steps, True, "success")
    assert episode.info == info
    written = [step_of(info, t) for t in range(steps)]
    assert np.array_equal(episode.qpos, [s.observation.qpos for s in written])
    assert np.array_equal(episode.qvel, [s.observation.qvel for s in written])
    assert np.array_equal(episode.effort, [s.observation.effort for s in written])
    assert np.array_equal(episode.objects["cube"], [s.observation.objects["cube"] for s in written])
    assert np.array_equal(episode.action, [s.action for s in written])
    assert np.array_equal(episode.action_asked, [s.action_asked for s in written])
    assert np.array_equal(episode.step_ns, [s.time_ns for s in written])
    assert np.array_equal(episode.joint_ns, [s.joint_ns for s in written])
    assert np.array_equal(episode.mode, [s.mode for s in written])
    assert np.array_equal(episode.intervention, [s.intervention for s in written])
    assert np.array_equal(episode.gate, [s.gate for s in written])
    assert (episode.valid == Validity.FRESH).all()
    for t in {0, steps // 2, steps - 1}:
        frame = frames_of(info, t)["cam_wrist"]
        assert episode.frame_jpeg("cam_wrist", t) == frame.jpeg
        assert (episode.camera_ns[t, 1], episode.camera_sequence[t, 1]) == (frame.time_ns, frame.sequence)


def test_episodes_without_cameras_or_objects_work(tmp_path: Path) -> None:
    info = replace(info_of(()), objects=())
    episode = Episode(record(tmp_path, info, 20))
    assert episode.steps == 20
    assert episode.camera_ns.shape == (20, 0)
    assert episode.objects == {}


def test_a_missing_frame_is_marked_and_shifts_nothing(tmp_path: Path) -> None:
    info = info_of(TWO)
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    for t in range(30):
        frames: dict[str, Frame | None] = dict(frames_of(info, t))
        if t == 3:
            frames["cam_high"] = None
        if t == 4:
            del frames["cam_high"]
        if t == 5:
            cut = frames_of(info, t)["cam_high"]
            frames["cam_high"] = replace(cut, jpeg=cut.jpeg[: len(cut.jpeg) // 2])
        writer.append(step_of(info, t), frames)
    episode = Episode(writer.close())

    assert np.flatnonzero(episode.validity("cam_high") == Validity.MISSING).tolist() == [3, 4, 5]
    assert (episode.validity("cam_wrist") == Validity.FRESH).all()
    assert episode.recorded.losses["cam_high"] == Losses(missing=3)
    assert not episode.camera_ns[3:6, 0].any() and not episode.camera_sequence[3:6, 0].any()
    with pytest.raises(BadInput, match="cam_high has no frame at step 4"):
        episode.image("cam_high", 4)
    for t in (2, 6, 29):
        assert episode.frame_jpeg("cam_high", t) == frames_of(info, t)["cam_high"].jpeg


def test_a_repeated_frame_is_stored_once_and_told_from_a_fresh_one(tmp_path: Path) -> None:
    info = info_of()
    steps = FRAMES_PER_SHARD + 50
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, queue_steps=steps)
    for t in range(steps):
        writer.append(step_of(info, t), frames_of(info, t - t % 2))
    path = writer.close()
    episode = Episode(path)

    expected = [Validity.REPEATED if t % 2 else Validity.FRESH for t in range(steps)]
    assert episode.validity("cam_high").tolist() == expected
    for t in (0, 1, 2, 3, FRAMES_PER_SHARD, steps - 1):
        assert episode.frame_jpeg("cam_high", t) == frames_of(info, t - t % 2)["cam_high"].jpeg
    stored = sum(file.stat().st_size for file in (path / "images").rglob("0") if file.is_file())
    each = sum(len(frames_of(info, t)["cam_high"].jpeg) + 4 for t in range(0, steps, 2))
    assert stored == each + 2 * 4096
    losses = episode.recorded.losses["cam_high"]
    assert (losses.missing, losses.repeated, losses.skipped) == (0, steps // 2, steps // 2 - 1)


def test_a_frame_repeated_across_a_shard_boundary_is_readable(tmp_path: Path) -> None:
    info = info_of()
    same = frames_of(info, 0)
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, queue_steps=1000)
    for t in range(FRAMES_PER_SHARD + 2):
        writer.append(step_of(info, t), same)
    episode = Episode(writer.close())
    assert episode.validity("cam_high")[FRAMES_PER_SHARD] == Validity.REPEATED
    assert episode.frame_jpeg("cam_high", FRAMES_PER_SHARD) == same["cam_high"].jpeg


def test_the_modes_and_interventions_are_kept(tmp_path: Path) -> None:
    episode = Episode(record(tmp_path, info_of(()), 20))
    assert np.flatnonzero(episode.mode == Mode.HUMAN).tolist() == [10, 11, 12, 13, 14]
    assert np.flatnonzero(episode.intervention).tolist() == [10, 11, 12, 13, 14]


def test_camera_jpeg_padded_with_zeros_is_stored_as_it_came(tmp_path: Path) -> None:
    info = info_of()
    jpeg = encode(image_of(24, 32, 0)) + bytes(500)
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), {"cam_high": Frame(jpeg, START_NS, 1)})
    episode = Episode(writer.close())
    assert episode.frame_jpeg("cam_high", 0) == jpeg
    assert episode.image("cam_high", 0).shape == (24, 32, 3)


def test_a_frame_of_another_size_ends_the_episode(tmp_path: Path) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), frames_of(info, 0))
    writer.append(step_of(info, 1), {"cam_high": Frame(encode(image_of(48, 64, 1)), START_NS, 1)})
    with pytest.raises(Fault, match="cam_high sends 64x48, the rig says 32x24"):
        writer.flush()
    episode = Episode(writer.close())
    assert (episode.steps, episode.complete) == (1, True)
    assert "64x48" in episode.recorded.fault


def test_wrong_shapes_and_unknown_cameras_are_refused_at_once(tmp_path: Path) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    step = step_of(info, 0)
    with pytest.raises(BadInput, match=r"action has shape \(3,\), not \(14,\)"):
        writer.append(replace(step, action=np.zeros(3, np.float32)))
    with pytest.raises(BadInput, match="1 joint stamp for 2 arms"):
        writer.append(replace(step, joint_ns=(1,)))
    with pytest.raises(BadInput, match="did you mean 'cam_high'"):
        writer.append(step, {"cam_hihg": None})
    writer.append(step, {})
    writer.close()


def test_a_full_queue_ends_the_episode_and_keeps_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = info_of(())
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, queue_steps=5)
    disk_answers = threading.Event()
    write = writer._recording.write
    monkeypatch.setattr(writer._recording, "write", lambda *item: (disk_answers.wait(20), write(*item)))
    for t in range(5):
        writer.append(step_of(info, t))
    with pytest.raises(Fault, match="the disk is too slow: 5 steps wait"):
        writer.append(step_of(info, 5))
    disk_answers.set()
    episode = Episode(writer.close())
    assert (episode.steps, episode.recorded.fault) == (5, "the disk is too slow: 5 steps wait for it")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_writing_thread_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), frames_of(info, 0))
    writer.flush()

    def die(*_: object) -> None:
        raise RuntimeError("a bug in the writing thread")

    monkeypatch.setattr(writer._recording, "write", die)
    writer.append(step_of(info, 1), frames_of(info, 1))
    writer._thread.join(10)
    with pytest.raises(Fault, match="the writing thread died"):
        writer.append(step_of(info, 2), frames_of(info, 2))
    episode = Episode(writer.close())
    assert (episode.steps, episode.recorded.fault) == (1, "the writing thread died")


def test_a_fault_nobody_was_told_of_is_raised_by_close(tmp_path: Path) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), frames_of(info, 0))
    writer.flush()
    writer.append(step_of(info, 1), {"cam_high": Frame(encode(image_of(8, 8, 1)), START_NS, 1)})
    with pytest.raises(Fault, match="after step 1"):
        writer.close()
    assert Episode(writer.path).steps == 1


def test_too_little_disk_space_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Fault, match=r"1 MB free, but 60 s of this rig may take \d+ MB"):
        EpisodeWriter.create(tmp_path, info_of((("cam_high", 480, 640),)))
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_or_empty_episode_leaves_nothing(tmp_path: Path) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), frames_of(info, 0))
    writer.discard()
    empty = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    with pytest.raises(Fault, match="no step was recorded"):
        empty.close()
    with pytest.raises(Fault, match="closed already"):
        empty.append(step_of(info, 0))
    assert list(tmp_path.iterdir()) == []


def test_an_episode_name_is_taken_once(tmp_path: Path) -> None:
    record(tmp_path, info_of(()), 2, episode_id="one")
    with pytest.raises(BadInput, match=r"one\.zarr: there already"):
        EpisodeWriter.create(tmp_path, info_of(()), episode_id="one")


def test_a_dataset_in_the_way_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot keep episodes there"):
        EpisodeWriter.create(tmp_path / "file" / "dataset", info_of(()))


def test_synced_to_the_medium_the_journal_goes_by_itself(tmp_path: Path) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, sync_s=0.01)
    for t in range(100):
        writer.append(step_of(info, t), frames_of(info, t))
        writer.flush()
    path = writer.close()
    assert Episode(path).complete
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join(20)
    assert not (path / JOURNAL).exists()
    assert Episode(path).steps == 100


@pytest.mark.parametrize("name", ["../escaped", "a/b", "a\0b", "a\nb", ".hidden", ".", "..", ""])
def test_a_name_cannot_lead_out_of_the_dataset(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is no name for an episode; allowed"):
        EpisodeWriter.create(tmp_path / "data", info_of(()), episode_id=name, minimum_s=1)
    with pytest.raises(BadInput, match="is no name for an episode; allowed"), staged(tmp_path / "data", name):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["data"]


def in_memory(file: Path, offset: int) -> bool:
    """Whether the system holds the page at ``offset``, so that reading it needs no disk."""
    fd = os.open(file, os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(16)], offset, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def test_frames_on_the_medium_are_let_go_of_and_read_as_before(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.write_bytes(bytes(8192))
    with probe.open("rb") as file:
        sync_and_forget(file.fileno(), 0, 8192)
    if in_memory(probe, 0):
        pytest.skip("this file system lives in memory")
    info = info_of((("cam_high", 480, 640),))
    recording = Recording(tmp_path, info, "ep", 1.0)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    jpegs = [encode(np.roll(noise, t, axis=1)) for t in range(8)]
    for t, jpeg in enumerate(jpegs):
        recording.write(np.zeros(1, recording.dtype), [Frame(jpeg, START_NS + t, t)])
        recording.sync()
    shard = shard_path(recording.path, "cam_high", 0)
    assert not in_memory(shard, DATA_START)
    assert in_memory(shard, 0), "the index is written with every frame: it would be read again each time"
    recording.finish("success")
    recording.settle(sync=False)
    episode = Episode(recording.path)
    assert [episode.frame_jpeg("cam_high", t) for t in range(8)] == jpegs
