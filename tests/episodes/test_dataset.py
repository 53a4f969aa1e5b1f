"""A dataset: which episodes count, how they are split, and statistics that follow them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import info_of, record, record_changed

from il_robot.cli import main
from il_robot.episodes import statistics
from il_robot.episodes.dataset import Dataset, is_validation
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot.types import Frame, Step

PLAIN = info_of(())


def fill(dataset: Path, names: str) -> None:
    for i, name in enumerate(names):
        record(dataset, PLAIN, 10 + i, episode_id=name)


def test_episodes_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, "cab")
    dataset = Dataset(tmp_path)
    assert [episode.id for episode in dataset] == ["a", "b", "c"]
    assert len(dataset) == 3
    assert dataset[1].steps == 12


@given(st.sets(st.text(min_size=1), min_size=1), st.floats(0, 1))
def test_the_split_depends_on_the_name_alone(names: set[str], share: float) -> None:
    sides = {name: is_validation(name, share) for name in names}
    assert all(is_validation(name, share) == side for name, side in sides.items())
    assert not any(is_validation(name, 0.0) for name in names)
    assert all(is_validation(name, 1.0) for name in names)


def test_the_share_is_about_what_was_asked() -> None:
    count = sum(is_validation(f"episode_{i}", 0.1) for i in range(5000))
    assert 400 < count < 600


def test_adding_episodes_moves_none(tmp_path: Path) -> None:
    fill(tmp_path, "abcdef")
    before = {e.id for e in Dataset(tmp_path, 0.5).validation}
    fill(tmp_path, "ghij")
    dataset = Dataset(tmp_path, 0.5)
    after = {e.id for e in dataset.validation}
    assert after & set("abcdef") == before
    assert {e.id for e in dataset.train} == set("abcdefghij") - after


def test_statistics_are_those_of_the_split(tmp_path: Path) -> None:
    fill(tmp_path, "abcdef")
    dataset = Dataset(tmp_path, 0.5)
    assert 0 < len(dataset.train) < 6
    rows = np.concatenate([e.action for e in dataset.train]).astype(np.float64)
    found = dataset.statistics()
    assert found.steps == len(rows)
    np.testing.assert_allclose(found.mean["action"], rows.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.std["action"], rows.std(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(found.minimum["action"], rows.min(0).astype(np.float32))
    np.testing.assert_array_equal(found.maximum["action"], rows.max(0).astype(np.float32))
    assert dataset.statistics("all").episodes == 6


def test_statistics_are_computed_when_and_only_when_episodes_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "abc")
    computed = 0
    original = statistics.compute_statistics

    def counted(*args: object) -> statistics.Statistics:
        nonlocal computed
        computed += 1
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(statistics, "compute_statistics", counted)
    first = Dataset(tmp_path).statistics("all")
    again = Dataset(tmp_path).statistics("all")
    assert computed == 1
    np.testing.assert_array_equal(first.mean["action"], again.mean["action"])

    moved = tmp_path.with_name("moved")
    shutil.copytree(tmp_path, moved)
    Dataset(moved).statistics("all")
    assert computed == 1, "a copy holds the same episodes"

    fill(tmp_path, "d")
    Dataset(tmp_path).statistics("all")
    assert computed == 2, "one was added"
    shutil.rmtree(tmp_path / "a.zarr")
    record(tmp_path, info_of((), 14), 11, episode_id="a")
    Dataset(tmp_path).statistics("all")
    assert computed == 3, "one was recorded anew"
    (tmp_path / "statistics.all.json").write_text('{"fingerprint": 3}')
    Dataset(tmp_path).statistics("all")
    assert computed == 4, "the file was damaged"
    cache = tmp_path / "statistics.all.json"
    edited = json.loads(cache.read_text())
    edited["mean"]["action"][0] += 1.0
    cache.write_text(json.dumps(edited))
    assert Dataset(tmp_path).statistics("all").mean["action"][0] < 0.5
    assert computed == 5, "the file was edited"


def test_what_nothing_measured_has_no_statistics(tmp_path: Path) -> None:
    def unmeasured(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        return replace(step, observation=replace(step.observation, qvel=None))

    record_changed(tmp_path, unmeasured, steps=10, info=PLAIN)
    for found in (Dataset(tmp_path).statistics("all"), Dataset(tmp_path).statistics("all")):
        for values in (found.mean, found.std, found.minimum, found.maximum):
            assert np.isnan(values["observations/qvel"]).all()
            assert np.isfinite(values["action"]).all()
            assert values["action"].dtype == np.float32


def test_an_episode_without_a_step_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    file = tmp_path / "b.zarr" / "zarr.json"
    file.write_text(file.read_text().replace('"steps": 11', '"steps": 0'))
    dataset = Dataset(tmp_path)
    assert dataset.left_out == {"b.zarr": "holds no step"}
    assert dataset.statistics("all").episodes == 1
    assert statistics.compute_statistics([Episode(tmp_path / "a.zarr"), Episode(tmp_path / "b.zarr")]).steps == 10
    with pytest.raises(BadInput, match="no episode with a step"):
        statistics.compute_statistics([Episode(tmp_path / "b.zarr")])


def test_episodes_of_another_robot_are_not_one_dataset(tmp_path: Path) -> None:
    record(tmp_path, PLAIN, 5, episode_id="a")
    record(tmp_path, info_of((), 3), 5, episode_id="b")
    with pytest.raises(BadInput, match="other joints or objects than"):
        Dataset(tmp_path).statistics("all")


def test_what_is_no_dataset_gets_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such dataset"):
        Dataset(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="it holds no episode"):
        Dataset(tmp_path)
    fill(tmp_path, "a")
    with pytest.raises(BadInput, match="not a dataset: that is a folder of episodes"):
        Dataset(tmp_path / "a.zarr")
    with pytest.raises(BadInput, match="not a dataset"):
        Dataset(tmp_path / "a.zarr" / "zarr.json")


def test_a_dataset_where_an_episode_belongs_names_one(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    with pytest.raises(BadInput, match=f"a dataset, not an episode: give one of them, such as {tmp_path}/a.zarr"):
        Episode(tmp_path)


def test_unusable_episodes_are_left_out_and_named(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    (tmp_path / "b.zarr" / "zarr.json").write_text("{")
    (tmp_path / "c.zarr").mkdir()
    dataset = Dataset(tmp_path)
    assert [episode.id for episode in dataset] == ["a"]
    assert set(dataset.left_out) == {"b.zarr", "c.zarr"}
    assert "damaged" in dataset.left_out["b.zarr"]
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(BadInput, match="no episode can be used, of 2: "):
        Dataset(tmp_path)


def test_what_it_holds_is_told_in_eighty_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["sim_closed_loop_000000", "20261121T073001_244"]
    for name in names:
        record(tmp_path / "cube", PLAIN, 10, episode_id=name)
    assert main(["dataset", "info", str(tmp_path / "cube")]) == 0
    rows = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith(tuple(names))]
    assert len(rows) == 2 and all(len(row) <= 78 and row.endswith("success") and "0/0/0" in row for row in rows)
