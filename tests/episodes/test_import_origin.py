"""Imports tell recordings apart by what was recorded, not by the names of files, and refuse what is not credible."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from il_robot.cli import main
from il_robot.episodes.conversion.aloha_import import AlohaSettings, import_aloha_file
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity
from il_robot.errors import BadInput

LEROBOTS_OWN = Path(__file__).parent / "made_by_lerobot_0_4_4"


def run(*words: str | Path) -> int:
    return main([str(word) for word in ("dataset", "import", *words)])


def aloha_file(file: Path, value: float, steps: int = 4) -> Path:
    file.parent.mkdir(exist_ok=True)
    with h5py.File(file, "w") as root:
        for path in ("observations/qpos", "action"):
            root[path] = np.full((steps, 14), value, np.float32)
    return file


def lerobot(folder: Path, **info: Any) -> Path:
    """A copy of the data set with other words in its info.json."""
    copy = shutil.copytree(LEROBOTS_OWN, folder)
    told = json.loads((copy / "meta/info.json").read_text())
    (copy / "meta/info.json").write_text(json.dumps({**told, **info}))
    return copy


def change_states(source: Path, change: Callable[[list[list[float]]], list[list[float]]]) -> None:
    file = source / "data/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    field = table.schema.field("observation.state")
    changed = pa.array(change(table[field.name].to_pylist()), field.type)
    pq.write_table(table.set_column(table.schema.get_field_index(field.name), field, changed), file)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_files_of_one_name_are_told_apart_and_taken_once(tmp_path: Path) -> None:
    monday = aloha_file(tmp_path / "mon" / "episode_0.hdf5", 0.1)
    tuesday = aloha_file(tmp_path / "tue" / "episode_0.hdf5", 0.2)
    data = tmp_path / "data"
    assert import_aloha_file(monday, data, AlohaSettings()) and import_aloha_file(tuesday, data, AlohaSettings())
    first, second = Dataset(data)
    assert first.id == "episode_000000" and re.fullmatch(r"episode_000000_[0-9a-f]{8}", second.id)
    assert (first.action[0, 0], second.action[0, 0]) == (np.float32(0.1), np.float32(0.2))
    moved = shutil.copytree(tmp_path / "tue", tmp_path / "elsewhere") / "episode_0.hdf5"
    for again in (monday, tuesday, moved):
        assert not import_aloha_file(again, data, AlohaSettings())
    (data / "episode_000000.zarr" / "zarr.json").write_text("{")
    assert import_aloha_file(monday, data, AlohaSettings()), "what is damaged does not count as there"
    with pytest.raises(BadInput, match=r"with other settings \(fps 50"):
        import_aloha_file(tuesday, data, AlohaSettings(fps=30))


def test_data_sets_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = lerobot(tmp_path / "tue" / "so101")
    change_states(other, lambda states: [[value + 1 for value in row] for row in states])
    data = tmp_path / "data"
    for source in (lerobot(tmp_path / "mon" / "so101"), other):
        assert run("lerobot", source, data) == 0
    assert len(Dataset(data)) == 6
    capsys.readouterr()
    assert run("lerobot", shutil.copytree(other, tmp_path / "moved"), data) == 0
    assert "0 episodes imported, 3 there already" in capsys.readouterr().out
    assert run("lerobot", other, data, "--degrees") == 2
    assert "with other settings" in one_line(capsys)


def test_imports_of_one_name_that_cannot_be_merged_can_be_imported_into_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [aloha_file(tmp_path / day / "episode_0.hdf5", value) for day, value in (("mon", 0.1), ("tue", 0.2))]
    for file in files:
        import_aloha_file(file, tmp_path / f"data_{file.parent.name}", AlohaSettings())
        import_aloha_file(file, tmp_path / "both", AlohaSettings())
    sources = [str(tmp_path / f"data_{file.parent.name}") for file in files]
    assert main(["dataset", "merge", *sources, "--out", str(tmp_path / "merged")]) == 2
    assert "import both into one dataset" in one_line(capsys)
    assert len(Dataset(tmp_path / "both")) == 2


@pytest.mark.parametrize("fps", ["inf", "nan", "1e-12", "-1", "1e300"])
def test_a_rate_that_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], fps: str) -> None:
    assert run("aloha", aloha_file(tmp_path / "episode_0.hdf5", 0.1), tmp_path / "data", "--fps", fps) == 2
    assert "allowed: 0.01 to 10000 steps per second" in one_line(capsys)
    assert run("lerobot", lerobot(tmp_path / "source", fps=float(fps)), tmp_path / "data") == 2
    assert "allowed: 0.01 to 10000 steps per second" in one_line(capsys)
    assert not list(tmp_path.glob("data/*.zarr"))


def test_facts_that_are_nested_without_end_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = lerobot(tmp_path / "source")
    (source / "meta/info.json").write_text("[" * 200_000)
    assert run("lerobot", source, tmp_path / "data") == 2
    assert "nested too deeply" in one_line(capsys)


def test_channels_may_stand_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = json.loads((LEROBOTS_OWN / "meta/info.json").read_text())["features"]
    front = features["observation.images.front"]
    front |= {"shape": [3, 48, 64], "names": ["channels", "height", "width"]}
    assert run("lerobot", lerobot(tmp_path / "first", features=features), tmp_path / "data") == 0
    episode = Dataset(tmp_path / "data")[0]
    assert (episode.validity("front") == Validity.FRESH).all() and episode.image("front", 0).shape == (48, 64, 3)
    front |= {"shape": [3, 40, 64]}
    assert run("lerobot", lerobot(tmp_path / "wrong", features=features), tmp_path / "other") == 2
    assert "a frame is 64x48, meta/info.json says 64x40" in one_line(capsys)
    front |= {"shape": [1, 48, 64]}
    assert run("lerobot", lerobot(tmp_path / "grey", features=features), tmp_path / "other") == 2
    assert "3 channels of colour" in one_line(capsys)


def test_files_lie_where_the_data_set_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, videos = "rows/{chunk_index}-{file_index:02d}.parquet", "films/{video_key}/{chunk_index}_{file_index}.mp4"
    source = lerobot(tmp_path / "source", data_path=rows, video_path=videos)
    for old, new in (
        ("data/chunk-000/file-000.parquet", "rows/0-00.parquet"),
        ("videos/observation.images.front/chunk-000/file-000.mp4", "films/observation.images.front/0_0.mp4"),
    ):
        (source / new).parent.mkdir(parents=True)
        (source / old).rename(source / new)
    assert run("lerobot", source, tmp_path / "data") == 0
    assert len(Dataset(tmp_path / "data")) == 3
    for template in ("../{file_index}.parquet", "/{file_index}", "{file_index.__class__}", "{", "{file_index:99999d}"):
        copy = lerobot(tmp_path / "copy", data_path=template)
        assert run("lerobot", copy, tmp_path / "other") == 2
        assert "data_path" in one_line(capsys)
        shutil.rmtree(copy)


@pytest.mark.parametrize(("value", "code"), [(float("nan"), 0), (float("inf"), 2)])
def test_states_that_are_no_numbers_set_no_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, code: int
) -> None:
    source = lerobot(tmp_path / "source")
    change_states(source, lambda states: [[value, 50.0], *states[1:]])
    assert run("lerobot", source, tmp_path / "data") == code
    if code:
        assert "joint shoulder.pos is never a number, or infinite" in one_line(capsys)
    else:
        assert Dataset(tmp_path / "data")[0].info.joints[0].upper == 20
