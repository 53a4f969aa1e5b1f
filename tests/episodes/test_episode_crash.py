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
from recorded import files_of, frames_of, info_of, record, step_of
from recorder_process import CAMERAS, assert_is_what_was_recorded

from il_robot.episodes.dataset import Dataset
from il_robot.episodes.reader import Episode
from il_robot.episodes.recovery import recover
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import Fault

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
