"""A recorder killed at a random moment, and a disk that is full: every acknowledged step is there afterwards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from recorded import frames_of, info_of, record, step_of
from recorder_process import CAMERAS, noisy_frames_of

from il_robot.episodes.attributes import read_attributes
from il_robot.episodes.columns import row_dtype
from il_robot.episodes.commands import recover as recover_command
from il_robot.episodes.dataset import Dataset, episode_folders
from il_robot.episodes.layout import JOURNAL, ROWS_PER_CHUNK, Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.episodes.shard import shard_path
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault

RECORDER = Path(__file__).with_name("recorder_process.py")


def start_recorder(dataset: Path, *limit: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(RECORDER), str(dataset), *limit], stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], steps: int, delay_s: float) -> int:
    """Kill -9 a moment after so many steps were acknowledged; the last count it printed."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[1]) >= steps:
            break
    time.sleep(delay_s)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.wait()
    whole = [line for line in [*rest] if line.startswith("acknowledged ") and line.split()[1].isdigit()]
    return max(steps, *(int(line.split()[1]) for line in whole[:-1]), 0)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_is_what_was_recorded(episode: Episode) -> None:
    info = info_of(CAMERAS)
    assert np.array_equal(episode.qpos, [step_of(info, t).observation.qpos for t in range(episode.steps)])
    assert np.array_equal(episode.step_ns, [step_of(info, t).time_ns for t in range(episode.steps)])
    assert (episode.valid == Validity.FRESH).all()
    for t in {0, episode.steps // 2, episode.steps - 1}:
        for name, frame in noisy_frames_of(t).items():
            assert episode.frame_jpeg(name, t) == frame.jpeg


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_loses_no_acknowledged_step(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    finished = record(tmp_path, info_of(CAMERAS), 5, episode_id="finished")
    before = files_of(finished)
    acknowledged = kill_after(start_recorder(tmp_path), chance.randrange(1, 400), chance.random() * 0.05)

    (killed,) = (path for path in tmp_path.glob("*.zarr") if path != finished)
    assert set(Dataset(tmp_path).left_out) == {killed.name}
    live = Episode(killed)
    assert not live.complete
    assert live.steps >= acknowledged
    assert_is_what_was_recorded(live)

    result = recover(killed)
    assert (result.state, result.steps, result.damaged_frames) == ("recovered", live.steps, 0)
    episode = Episode(killed)
    assert episode.complete
    assert episode.recorded.recovered
    assert_is_what_was_recorded(episode)
    plain = zarr.open_group(str(killed), mode="r")["images/cam_high"]
    assert np.array_equal(plain[episode.steps - 1], episode.image("cam_high", episode.steps - 1))
    assert files_of(finished) == before

    once = files_of(killed)
    assert recover(killed).state == "untouched"
    assert files_of(killed) == once


@pytest.mark.parametrize("limit", [1_200_000, 1_500_000])
def test_a_full_disk_keeps_every_acknowledged_step(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files makes the disk refuse: some steps in, for the frames outgrow their reserve."""
    process = start_recorder(tmp_path, str(limit))
    output, _ = process.communicate(timeout=60)
    lines = output.splitlines()
    assert process.returncode == 0
    assert "File too large" in lines[-1]
    (path,) = tmp_path.glob("*.zarr")
    episode = Episode(path)
    assert episode.steps == int(lines[-2].split()[1]) > 0
    assert (episode.complete, episode.recorded.recovered) == (True, False)
    assert episode.recorded.fault == "File too large"
    assert_is_what_was_recorded(episode)


@pytest.mark.parametrize("megabytes", [4, 6])
def test_a_file_system_without_room_keeps_every_acknowledged_step(tmp_path: Path, megabytes: int) -> None:
    """A real ENOSPC: a tiny tmpfs, in a mount name space of its own, that nothing of it can outlive."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0"'
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*inside, mount, disk], capture_output=True).returncode:
        pytest.skip("no right to mount a file system here")
    script = f'{mount} && "$1" "$2" "$0" && cp -r "$0" "$3"'
    done = subprocess.run(
        [*inside, script, disk, sys.executable, RECORDER, kept], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "No space left on device" in lines[-1]
    (path,) = kept.glob("*.zarr")
    episode = Episode(path)
    assert episode.steps == int(lines[-2].split()[1]) > 0
    assert (episode.complete, episode.recorded.recovered) == (True, False)
    assert episode.recorded.fault == "No space left on device"
    assert_is_what_was_recorded(episode)
    plain = zarr.open_group(str(path), mode="r")["images/cam_high"]
    assert np.array_equal(plain[episode.steps - 1], episode.image("cam_high", episode.steps - 1))


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


def test_recovery_interrupted_at_any_file_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = unfinished(tmp_path, 40)
    writes = 0

    class Killed(BaseException):
        pass

    original = Path.write_text

    def die_at(limit: int) -> None:
        def write_text(self: Path, *args: str, **kwargs: str) -> int:
            nonlocal writes
            writes += 1
            if writes > limit:
                raise Killed
            return original(self, *args, **kwargs)

        monkeypatch.setattr(Path, "write_text", write_text)

    for limit in (0, 1, 10, 20):
        writes = 0
        die_at(limit)
        with pytest.raises(Killed):
            recover(path)
        assert (path / JOURNAL).exists()
    monkeypatch.undo()
    assert recover(path).steps == 40
    assert_is_what_was_recorded(Episode(path))


def damage_row(path: Path, step: int) -> None:
    dtype = row_dtype(read_attributes(path)[0])
    with (path / JOURNAL).open("r+b") as file:
        file.seek(step * dtype.itemsize + 60)
        file.write(b"\xff")


def test_a_torn_last_row_is_left_out(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 30)
    damage_row(path, 29)
    assert recover(path).steps == 29
    assert_is_what_was_recorded(Episode(path))


@pytest.mark.parametrize("step", [0, 20])
def test_steps_after_a_damaged_one_are_lost_only_when_asked(tmp_path: Path, step: int) -> None:
    path = unfinished(tmp_path, 30)
    damage_row(path, step)
    assert Episode(path).steps == step
    before = files_of(path)
    with pytest.raises(Fault, match=f"step {step} is damaged in {JOURNAL}, but {29 - step} after it are whole"):
        recover(path)
    assert files_of(path) == before
    assert recover(path, cut=True).steps == step
    if step:
        assert_is_what_was_recorded(Episode(path))


@pytest.mark.parametrize("remnant", [b"", b"\xff" * 4096])
def test_a_journal_beside_a_complete_episode_is_only_a_remnant(tmp_path: Path, remnant: bytes) -> None:
    path = record(tmp_path, info_of(CAMERAS), 60)
    before = files_of(path)
    (path / JOURNAL).write_bytes(remnant)
    assert recover(path).state == "untouched"
    assert files_of(path) == before


def test_the_journal_goes_last_when_all_else_is_on_the_medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = unfinished(tmp_path, 5)
    original, synced = os.fsync, []

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        assert (path / JOURNAL).exists()
        original(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    recover(path)
    assert {path / "zarr.json", path / "action" / "c" / "0" / "0", path, tmp_path} <= set(synced)


def test_a_recorder_killed_while_it_makes_the_folder_leaves_nothing_to_recover(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 3)
    (path / "zarr.json").unlink()
    with pytest.raises(BadInput, match="not an episode"):
        recover(path)  # there are steps in its journal: not thrown away
    barely = tmp_path / "barely.zarr"
    barely.mkdir()
    (barely / JOURNAL).touch()
    assert recover(barely).state == "removed"
    assert not barely.exists()


def test_what_was_thrown_away_does_not_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = record(tmp_path, info_of(), 3)
    path = unfinished(tmp_path, 3)
    half = path.rename(path.with_name(f".discarded-{path.name}"))  # as a kill within discard leaves it
    assert episode_folders(tmp_path) == [kept]
    assert recover_command(tmp_path) == 0
    assert not half.exists()
    assert "1 were complete" in capsys.readouterr().out


@pytest.mark.parametrize("again", [False, True])
def test_an_episode_removed_while_it_is_recorded_is_told(tmp_path: Path, again: bool) -> None:
    info = info_of()
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, queue_steps=1000, sync_s=None)
    for t in range(300):
        if t == 240:
            writer.flush()
            shutil.rmtree(writer.path)
            if again:
                writer.path.mkdir()
        try:
            writer.append(step_of(info, t), frames_of(info, t))
        except Fault:
            break
    with pytest.raises(Fault):
        writer.close("success")
    assert not (writer.path / "zarr.json").exists()


def test_to_discard_what_is_gone_is_no_fault(tmp_path: Path) -> None:
    writer = EpisodeWriter.create(tmp_path, info_of(), minimum_s=1)
    shutil.rmtree(writer.path)
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_a_damaged_index_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 30)
    with shard_path(path, "cam_high", 0).open("r+b") as file:
        file.write(bytes(100))
    assert recover(path).damaged_frames == 0
    assert_is_what_was_recorded(Episode(path))


def test_a_frame_that_never_reached_the_disk_is_marked_missing(tmp_path: Path) -> None:
    """After a power loss the journal may know frames whose bytes are zero."""
    path = unfinished(tmp_path, 30)
    offset = int(Episode(path)._index("cam_high", 0)[7, 0])
    with shard_path(path, "cam_high", 0).open("r+b") as file:
        file.seek(offset)
        file.write(bytes(50))
    assert recover(path).damaged_frames == 1
    episode = Episode(path)
    assert np.flatnonzero(episode.validity("cam_high") == Validity.MISSING).tolist() == [7]
    assert episode.recorded.losses["cam_high"].missing == 1


def test_long_episodes_recover_over_several_chunks(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 2 * ROWS_PER_CHUNK + 5)
    assert recover(path).steps == 2 * ROWS_PER_CHUNK + 5
    assert_is_what_was_recorded(Episode(path))


def test_an_episode_being_recorded_is_left_alone(tmp_path: Path) -> None:
    info = info_of(CAMERAS)
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1)
    writer.append(step_of(info, 0), frames_of(info, 0))
    with pytest.raises(Fault, match="being recorded right now"):
        recover(writer.path)
    writer.close()


def test_a_kill_between_completing_and_dropping_the_journal_harms_nothing(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 30)
    rows = (path / JOURNAL).read_bytes()
    recover(path)
    before = files_of(path)
    (path / JOURNAL).write_bytes(rows)
    assert Dataset(tmp_path)[0].steps == 30
    assert recover(path).steps == 30
    assert files_of(path) == before


def test_an_episode_without_a_step_is_removed(tmp_path: Path) -> None:
    path = unfinished(tmp_path, 0)
    assert recover(path).state == "removed"
    assert not path.exists()


def test_what_is_not_an_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not an episode"):
        recover(tmp_path)
    path = unfinished(tmp_path, 3)
    recover(path)
    attributes = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(attributes.replace('"complete": true', '"complete": false'))
    with pytest.raises(BadInput, match="neither complete nor with a journal"):
        recover(path)
