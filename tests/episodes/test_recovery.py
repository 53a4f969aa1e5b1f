"""What a killed recorder left becomes a complete episode, and nothing is thrown away unasked."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from recorded import files_of, frames_of, info_of, record, step_of
from recorder_process import CAMERAS, assert_is_what_was_recorded, unfinished

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
