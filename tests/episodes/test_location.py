"""A dataset at a URL reads like a local one; nothing is ever written there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from recorded import info_of, record

from il_robot.cli import main
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.location import location
from il_robot.episodes.reader import Episode
from il_robot.episodes.validation import validate_dataset
from il_robot.errors import BadInput

INFO = info_of((("cam_high", 24, 32), ("cam_low", 17, 33)))
STEPS = 260
"""More than one shard."""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("a", "b"):
        record(folder, INFO, STEPS, episode_id=name)
    return folder


@pytest.fixture
def url(local: Path) -> Iterator[str]:
    """The same dataset in fsspec's memory."""
    url = f"memory://{uuid.uuid4().hex}/data"
    memory, root = fsspec.url_to_fs(url)
    memory.put(f"{local}/", f"{root}/", recursive=True)
    yield url
    memory.rm(root, recursive=True)


def test_every_value_and_picture_is_the_same(local: Path, url: str) -> None:
    here, there = Dataset(local), Dataset(url)
    assert [episode.id for episode in there] == ["a", "b"]
    for ours, remote in zip(here, there, strict=True):
        assert remote.info == ours.info
        for path in ("observations/qpos", "action", "time/camera_ns", "control/valid"):
            assert np.array_equal(remote.array(path), ours.array(path))
        for t in (0, 100, STEPS - 1):
            assert np.array_equal(remote.image("cam_low", t), ours.image("cam_low", t))
            assert remote.frame_jpeg("cam_high", t) == ours.frame_jpeg("cam_high", t)


def test_statistics_are_the_same_and_leave_no_trace(local: Path, url: str) -> None:
    memory, root = fsspec.url_to_fs(url)
    before = set(memory.find(root))
    there, here = Dataset(url).statistics("all"), Dataset(local).statistics("all")
    assert np.array_equal(there.mean["action"], here.mean["action"])
    assert set(memory.find(root)) == before


def test_validation_finds_damage_at_a_url(url: str) -> None:
    assert not [f for f in validate_dataset(location(url)) if f.kind in ("checksum", "metadata", "unreadable")]
    memory, root = fsspec.url_to_fs(url)
    shard = f"{root}/a.zarr/images/cam_high/c/0/0/0/0"
    data = bytearray(memory.cat_file(shard))
    data[4200] ^= 1
    memory.pipe_file(shard, bytes(data))
    with pytest.raises(BadInput, match="checksum does not match"):
        Dataset(url)[0].image("cam_high", 0)
    assert [f.kind for f in validate_dataset(location(url)) if f.episode == "a" and f.kind == "checksum"]


def test_the_command_line_takes_a_url(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "info", url]) == 0
    assert "2 episodes, 520 steps" in capsys.readouterr().out


def test_a_dataset_at_a_url_is_merged_and_trimmed_into_a_folder_and_never_written(
    local: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "merge", url, "--out", str(tmp_path / "out")]) == 0
    for file in sorted(path for path in local.rglob("*") if path.is_file() and ".zarr" in str(path)):
        assert (tmp_path / "out" / file.relative_to(local)).read_bytes() == file.read_bytes()
    assert main(["dataset", "trim", url, "--out", str(tmp_path / "trimmed")]) == 0
    capsys.readouterr()
    for words in (["prune", url, "--delete"], ["recover", url], ["merge", str(local), "--out", url]):
        assert main(["dataset", *words]) == 2
        assert "a URL is for reading only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("memory://nowhere/data", "no such dataset"),
        ("nosuchscheme://x/y", "nosuchscheme"),
    ],
)
def test_a_wrong_url_is_one_line(place: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "info", place]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error


def test_what_is_missing_at_a_url_is_said(url: str) -> None:
    memory, root = fsspec.url_to_fs(url)
    memory.rm(f"{root}/b.zarr/action", recursive=True)
    with pytest.raises(BadInput, match="no such file"):
        _ = Dataset(url)[1].action
    with pytest.raises(BadInput, match="no such file: not an episode"):
        Episode(f"{url}/c.zarr")


def test_local_paths_stay_what_they_are(tmp_path: Path) -> None:
    assert location(tmp_path) == tmp_path
    assert location(f"file://{tmp_path}") == tmp_path
    assert location("a:b/c") == Path("a:b/c")
    assert str(location(Path("memory://x/y"))) == str(location("memory://x/y")) == "memory://x/y"
