"""The reader: from threads, forks and pickles alike, and one clear line for every kind of damage."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from recorded import frames_of, info_of, record, step_of

from il_robot.episodes.columns import columns
from il_robot.episodes.layout import ATTRIBUTE, JOURNAL, VERSION, Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import shard_path
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput
from il_robot.types import Mode

TWO = (("cam_high", 24, 32), ("cam_wrist", 17, 33))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("dataset"), info_of(TWO), 300)


def pixels(episode: Episode, t: int) -> int:
    return int(episode.image("cam_wrist", t).sum(dtype=int))


def test_threads_forks_and_spawned_processes_read_the_same(path: Path) -> None:
    episode = Episode(path)
    steps = [int(t) for t in np.random.default_rng(0).integers(0, 300, 40)]
    expected = [pixels(Episode(path), t) for t in steps]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(pixels, [episode] * 40, steps)) == expected
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as processes:
            assert list(processes.map(pixels, [episode] * 40, steps, chunksize=20)) == expected


def test_pickling_sends_the_path_only(path: Path) -> None:
    episode = Episode(path)
    assert len(episode.qpos) == 300
    raw = pickle.dumps(episode)
    assert len(raw) < 500
    assert np.array_equal(pickle.loads(raw).qpos, episode.qpos)  # noqa: S301 - our own bytes


def test_action_windows_open_no_image_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = os.open
    monkeypatch.setattr(os, "open", lambda name, *rest: (opened.append(str(name)), original(name, *rest))[1])
    episode = Episode(path)
    window = episode.action[100:200]
    assert window.shape == (100, 14)
    assert not any("images" in name for name in opened)
    episode.image("cam_high", 0)
    assert any("images" in name for name in opened)


def test_nothing_stays_open(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    episode = Episode(path)
    episode.images("cam_high", range(0, 300, 10))
    assert len(episode.qpos) == 300
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_images_are_decoded_into_a_given_buffer(path: Path) -> None:
    episode = Episode(path)
    out = np.zeros((24, 32, 3), np.uint8)
    assert episode.image("cam_high", 5, out) is not None
    assert np.array_equal(out, episode.images("cam_high", [5])[0])


def test_what_everyone_shares_cannot_be_written(path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        Episode(path).qpos[0] = 0


def test_wrong_questions_get_one_clear_line(path: Path) -> None:
    episode = Episode(path)
    with pytest.raises(BadInput, match="did you mean 'cam_wrist'"):
        episode.image("cam_wrst", 0)
    with pytest.raises(BadInput, match=r"step 300 is outside \[0, 300\)"):
        episode.image("cam_high", 300)
    with pytest.raises(BadInput, match="step -1"):
        episode.image("cam_high", -1)
    with pytest.raises(BadInput, match="no stream 'gripper'"):
        episode.validity("gripper")
    with pytest.raises(BadInput, match="no array 'qpos'"):
        episode.array("qpos")


def test_an_episode_opened_while_recorded_reads_on_after_it_was_closed(tmp_path: Path) -> None:
    info = info_of(TWO)
    writer = EpisodeWriter.create(tmp_path, info, minimum_s=1, sync_s=None)
    live = Episode(writer.path)
    for t in range(10):
        writer.append(step_of(info, t), frames_of(info, t))
    path = writer.close()
    assert not (path / JOURNAL).exists()
    assert (live.steps, live.complete) == (10, True)
    assert np.array_equal(live.qpos, Episode(path).qpos)
    assert live.frame_jpeg("cam_high", 9) == Episode(path).frame_jpeg("cam_high", 9)


def test_an_episode_thrown_away_while_it_was_open_is_told(tmp_path: Path) -> None:
    writer = EpisodeWriter.create(tmp_path, info_of(TWO), minimum_s=1, sync_s=None)
    live = Episode(writer.path)
    writer.discard()
    with pytest.raises(BadInput, match="not an episode"):
        _ = live.steps


def test_a_number_that_is_no_mode_gets_one_clear_line(own: Path) -> None:
    zarr.open_array(str(own / "control/mode"), mode="r+")[7] = 9
    assert Episode(own).driver(12) == Mode.HUMAN
    with pytest.raises(BadInput, match="step 7: 9 is no mode; allowed: -1 to 2"):
        Episode(own).driver(7)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return record(tmp_path, info_of(TWO), 20)


def flip(file: Path, at: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 0x10
    file.write_bytes(raw)


def test_a_damaged_array_is_refused(own: Path) -> None:
    file = own / "observations/qpos/c/0/0"
    flip(file, 100)
    with pytest.raises(BadInput, match="checksum does not match"):
        _ = Episode(own).qpos
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(BadInput, match="bytes or more where"):
        _ = Episode(own).qpos
    file.unlink()
    with pytest.raises(BadInput, match="No such file"):
        _ = Episode(own).qpos
    assert len(Episode(own).action) == 20


def test_a_damaged_shard_is_refused(own: Path) -> None:
    shard = shard_path(own, "cam_high", 0)
    whole = shard.read_bytes()
    flip(shard, 5000)
    with pytest.raises(BadInput, match="checksum does not match"):
        Episode(own).images("cam_high", range(20))
    shard.write_bytes(whole)
    flip(shard, 8)
    with pytest.raises(BadInput, match="index is damaged"):
        Episode(own).image("cam_high", 19)
    shard.write_bytes(whole[:-1])
    with pytest.raises(BadInput, match="beyond the file's end"):
        Episode(own).image("cam_high", 0)
    shard.unlink()
    with pytest.raises(BadInput, match="No such file"):
        Episode(own).image("cam_high", 0)
    assert Episode(own).image("cam_wrist", 0).shape == (17, 33, 3)


def edit(episode: Path, **changes: object) -> None:
    text = json.loads((episode / "zarr.json").read_text())
    text["attributes"][ATTRIBUTE].update(changes)
    (episode / "zarr.json").write_text(json.dumps(text))


def test_attributes_are_read_strictly(own: Path) -> None:
    edit(own, version=VERSION + 1)
    with pytest.raises(BadInput, match=f"format {VERSION + 1} is newer than this il-robot reads"):
        Episode(own)
    edit(own, version="one")
    with pytest.raises(BadInput, match="version 'one' is not a format version"):
        Episode(own)
    edit(own, version=VERSION, info={"fps": 50.0})
    with pytest.raises(BadInput, match="joints"):
        Episode(own)
    for text in ("{", "[]", '{"attributes": []}', "[" * 100_000):
        (own / "zarr.json").write_text(text)
        with pytest.raises(BadInput, match=r"not JSON|not an il-robot episode"):
            Episode(own)


def test_a_header_that_lies_about_sizes_costs_no_memory(own: Path) -> None:
    text = (own / "zarr.json").read_text()
    (own / "zarr.json").write_text(text.replace('"steps": 20', '"steps": 20000000000'))
    episode = Episode(own)
    for column in columns(episode.info):
        with pytest.raises(BadInput, match="where"):
            episode.array(column.path)
    (own / "zarr.json").write_text(text.replace('"height": 24', '"height": 65000').replace("32", "65000"))
    with pytest.raises(BadInput, match="belongs"):
        Episode(own).image("cam_high", 0)


def test_the_users_own_attributes_are_left_alone(own: Path) -> None:
    text = json.loads((own / "zarr.json").read_text())
    text["attributes"]["notes"] = "the good one"
    (own / "zarr.json").write_text(json.dumps(text))
    assert Episode(own).steps == 20
    assert (Episode(own).valid == Validity.FRESH).all()
