"""LeRobot v3 in and out: our own round trip, the layout LeRobot reads, and a data set that LeRobot itself wrote.

``made_by_lerobot_0_4_4`` was written by LeRobotDataset.create/add_frame/save_episode: three episodes of 20 frames at
30 Hz, joints in degrees, all episodes in one parquet file and one video. Frame t of episode e is grey, 40 e + 5 t.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import bimanual
import numpy as np
import pyarrow.parquet as pq
import pytest
from bimanual import STEPS, difference

from il_robot.cli import main
from il_robot.episodes.conversion import lerobot_layout as layout
from il_robot.episodes.conversion.lerobot_stats import row_stats, together
from il_robot.episodes.conversion.video import read_video, write_video
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity
from il_robot.errors import BadInput

LEROBOTS_OWN = Path(__file__).parent / "made_by_lerobot_0_4_4"


def run(*words: str | Path) -> int:
    return main([str(word) for word in ("dataset", *words)])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bimanual.dataset(tmp_path_factory.mktemp("source"))


@pytest.mark.parametrize("images", ["h264", "av1", "jpeg"])
def test_the_round_trip_keeps_values_and_pictures(source: Path, tmp_path: Path, images: str) -> None:
    assert run("export", "lerobot", source, tmp_path / "out", "--images", images) == 0
    assert run("import", "lerobot", tmp_path / "out", tmp_path / "back") == 0
    for before, after in zip(Dataset(source), Dataset(tmp_path / "back"), strict=True):
        for path in ("observations/qpos", "observations/qvel", "observations/effort", "action", "action_asked"):
            assert np.array_equal(after.array(path), before.array(path)), path
        bimanual.assert_nothing_is_lost(before, after, "observations/qpos", "action")
        for camera in before.info.camera_names:
            for t in (0, 5, STEPS - 1):
                assert difference(after.image(camera, t), before.image(camera, t)) < 6, (camera, t)
        if images == "jpeg":
            assert after.frame_jpeg("cam_low", 5) == before.frame_jpeg("cam_low", 5)


def test_the_layout_is_that_of_version_3(source: Path, tmp_path: Path) -> None:
    run("export", "lerobot", source, tmp_path / "out")
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"]) == ("v3.0", 2, 2 * STEPS)
    assert info["features"]["observation.images.cam_high"]["shape"] == [48, 64, 3]
    assert info["features"]["timestamp"] == {"dtype": "float32", "shape": [1], "names": None}
    episodes = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"]) for e in episodes] == [(0, STEPS), (STEPS, 2 * STEPS)]
    for episode in episodes:
        place = {"chunk_index": episode["data/chunk_index"], "file_index": episode["data/file_index"]}
        rows = pq.read_table(tmp_path / "out" / info["data_path"].format(**place))
        assert rows["index"].to_pylist() == list(range(episode["dataset_from_index"], episode["dataset_to_index"]))
        assert np.allclose(rows["timestamp"], np.arange(STEPS) / 50)
        key = "observation.images.cam_low"
        place = {name: episode[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        assert (tmp_path / "out" / info["video_path"].format(video_key=key, **place)).is_file()
    described = json.loads(pq.read_schema(tmp_path / "out/meta/tasks.parquet").metadata[b"pandas"])
    assert described["index_columns"] == ["task"], "LeRobot looks a task up by the index of a pandas frame"
    stats = json.loads((tmp_path / "out/meta/stats.json").read_text())
    values = np.concatenate([episode.action for episode in Dataset(source)])
    assert np.allclose(stats["action"]["mean"], values.mean(0), atol=1e-5)
    assert np.allclose(stats["action"]["std"], values.std(0), atol=1e-5)
    assert np.shape(stats["observation.images.cam_high"]["mean"]) == (3, 1, 1)


def test_a_missing_frame_is_filled_and_said(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("export", "lerobot", source, tmp_path / "out", "--images", "jpeg")
    assert "2 missing frames" in capsys.readouterr().out
    run("export", "lerobot", source, tmp_path / "out2", "--images", "jpeg", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["episodes"]) == (str(tmp_path / "out2"), ["ep_0", "ep_1"])
    assert (told["left_out"], told["missing_frames_filled"]) == ({}, 2)
    run("import", "lerobot", tmp_path / "out2", tmp_path / "back", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told == {"dataset": str(tmp_path / "back"), "imported": 2, "already_there": 0}


def test_what_lerobot_wrote_is_read(tmp_path: Path) -> None:
    assert run("import", "lerobot", LEROBOTS_OWN, tmp_path / "data", "--degrees", "--gripper", "0", "100") == 0
    data = Dataset(tmp_path / "data")
    assert len(data) == 3
    for number, episode in enumerate(data):
        assert (episode.steps, episode.info.fps, episode.info.rig, episode.info.task) == (20, 30, "so101", "lift")
        assert episode.info.followers == ("follower",)
        assert [joint.unit for joint in episode.info.joints] == ["rad", "opening"]
        assert np.allclose(episode.qpos[:, 0], np.deg2rad(np.arange(20)))
        assert np.allclose(episode.qpos[:, 1], 0.5 + np.arange(20) / 100)
        assert np.allclose(episode.action[:, 1], number / 100)
        assert (episode.validity("front") == Validity.FRESH).all()
        for t in (0, 9, 19):
            assert abs(float(episode.image("front", t).mean()) - (40 * number + 5 * t)) < 3


def test_importing_again_adds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("import", "lerobot", LEROBOTS_OWN, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/episode_000001.zarr")
    assert run("import", "lerobot", LEROBOTS_OWN, tmp_path / "data") == 0
    assert "1 episode imported, 2 there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("meta/info.json", "{", "damaged"),
        ("meta/info.json", '{"codebase_version": "v2.1"}', "v2.1"),
        ("meta/info.json", '{"codebase_version": "v3.0", "features": {}, "fps": 30}', "damaged"),
        ("meta/episodes/chunk-000/file-000.parquet", "PAR1", "damaged"),
        ("data/chunk-000/file-000.parquet", "", "damaged"),
        ("videos/observation.images.front/chunk-000/file-000.mp4", "not a video", "file-000.mp4"),
    ],
)
def test_damage_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, words: str
) -> None:
    copy = shutil.copytree(LEROBOTS_OWN, tmp_path / "copy")
    (copy / path).write_text(text)
    assert run("import", "lerobot", copy, tmp_path / "data") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error
    assert not list(tmp_path.glob("data/*.zarr"))


def test_flipped_bytes_are_refused_or_read(tmp_path: Path) -> None:
    chance = random.Random(2)
    files = sorted(file for file in LEROBOTS_OWN.rglob("*") if file.is_file() and file.name != "stats.json")
    for attempt in range(40):
        copy = shutil.copytree(LEROBOTS_OWN, tmp_path / f"copy_{attempt}")
        file = copy / chance.choice(files).relative_to(LEROBOTS_OWN)
        data = bytearray(file.read_bytes())
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        assert run("import", "lerobot", copy, tmp_path / f"data_{attempt}") in (0, 1, 2)
        shutil.rmtree(copy)


def test_video_needs_even_sizes_and_jpeg_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from recorded import info_of, record

    record(tmp_path / "data", info_of((("cam", 17, 33),)), 3)
    assert run("export", "lerobot", tmp_path / "data", tmp_path / "out") == 2
    assert "even sizes" in capsys.readouterr().err
    assert run("export", "lerobot", tmp_path / "data", tmp_path / "out", "--images", "jpeg") == 0


def test_a_video_is_read_from_any_second_and_what_it_lacks_is_missing(tmp_path: Path) -> None:
    images = [np.full((16, 16, 3), 10 * t, np.uint8) for t in range(12)]
    write_video(tmp_path / "v.mp4", images, 25, "libx264", {"crf": "10"}, 2)
    frames = list(read_video(tmp_path / "v.mp4", 8 / 25, 25, 6))
    assert [None if frame is None else round(float(frame.mean()) / 10) for frame in frames] == [
        8,
        9,
        10,
        11,
        None,
        None,
    ]
    with pytest.raises(BadInput):
        list(read_video(tmp_path / "none.mp4", 0.0, 25, 1))


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    chance = np.random.default_rng(0)
    parts = [chance.normal(3, 2, (n, 4)) for n in (5, 1, 30)]
    joined = together([{"x": row_stats(part)} for part in parts])["x"]
    for name, value in row_stats(np.concatenate(parts)).items():
        assert np.allclose(joined[name], value), name


@pytest.mark.parametrize("codec", layout.CODECS)
def test_an_encoder_does_not_keep_the_priority_it_takes(tmp_path: Path, codec: str) -> None:
    before = os.sched_getscheduler(0)
    name, options = layout.CODECS[codec]
    write_video(tmp_path / "film.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3, 50, name, options, layout.GOP)
    assert os.sched_getscheduler(0) == before
