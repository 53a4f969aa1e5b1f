"""Merge, split, prune and trim: sources stay as they are, and an interruption leaves no half episode."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import files_of, frames_of, info_of, record, step_of

from il_robot.cli import main
from il_robot.episodes import editing, pruning, staging
from il_robot.episodes.dataset import Dataset
from il_robot.episodes.layout import Validity
from il_robot.episodes.reader import Episode
from il_robot.episodes.staging import copy_steps
from il_robot.episodes.validation import validate_dataset
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault

INFO = info_of()


def fill(dataset: Path, names: str, steps: int = 8) -> Path:
    for name in names:
        record(dataset, INFO, steps, episode_id=name)
    return dataset


def test_merge_copies_everything_once(tmp_path: Path) -> None:
    a, b, out = fill(tmp_path / "a", "pq"), fill(tmp_path / "b", "r"), tmp_path / "out"
    before = files_of(a), files_of(b)
    assert editing.merge((a, b), out) == 0
    assert [episode.id for episode in Dataset(out)] == ["p", "q", "r"]
    assert files_of(out / "p.zarr") == files_of(a / "p.zarr")
    assert (files_of(a), files_of(b)) == before
    merged = files_of(out)
    editing.merge((a, b), out)
    assert files_of(out) == merged


def test_merge_refuses_two_recordings_of_one_name(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", "p", steps=8), fill(tmp_path / "b", "p", steps=9)
    with pytest.raises(BadInput, match="another episode of this name"):
        editing.merge((a, b), tmp_path / "out")
    with pytest.raises(BadInput, match="is the source itself"):
        editing.merge((a,), a)
    with pytest.raises(BadInput, match="at least one dataset"):
        editing.merge((), tmp_path / "out")


def test_an_interrupted_merge_leaves_whole_episodes_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, out = fill(tmp_path / "a", "pqr"), tmp_path / "out"
    synced = staging.sync_folder

    def interrupted(folder: Path) -> None:
        if folder.name == "q.zarr":
            raise KeyboardInterrupt
        synced(folder)

    monkeypatch.setattr(staging, "sync_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        editing.merge((a,), out)
    monkeypatch.undo()
    assert sorted(path.name for path in out.iterdir()) == ["p.zarr"]
    editing.merge((a,), out)
    assert len(Dataset(out)) == 3


def test_what_a_killed_copy_left_is_thrown_away(tmp_path: Path) -> None:
    a, out = fill(tmp_path / "a", "p"), tmp_path / "out"
    shutil.copytree(a / "p.zarr" / "action", out / ".part" / "p.zarr" / "action")
    editing.merge((a,), out)
    assert sorted(path.name for path in out.iterdir()) == ["p.zarr"]
    assert validate_dataset(out) == []


def test_a_disk_that_refuses_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = fill(tmp_path / "a", "p")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging, "sync_folder", full)
    with pytest.raises(Fault, match=r"p\.zarr: cannot be written: No space left"):
        editing.merge((a,), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_split_follows_the_fixed_split(tmp_path: Path) -> None:
    a, out = fill(tmp_path / "a", "abcdefgh", steps=3), tmp_path / "out"
    editing.split(a, out, share=0.5)
    train, validation = Dataset(out / "train"), Dataset(out / "validation")
    whole = Dataset(a, 0.5)
    assert [e.id for e in train] == [e.id for e in whole.train]
    assert [e.id for e in validation] == [e.id for e in whole.validation]
    with pytest.raises(BadInput, match=r"--share 1\.5; allowed: above 0, below 1"):
        editing.split(a, out, share=1.5)


def test_prune_moves_aside_and_deletes_only_when_told(tmp_path: Path) -> None:
    dataset = fill(tmp_path, "ab")
    record(dataset, INFO, 8, episode_id="failed", outcome="failure")
    record(dataset, INFO, 2, episode_id="short")
    (dataset / "b.zarr" / "action" / "zarr.json").unlink()
    kept = files_of(dataset / "failed.zarr")
    pruning.prune(dataset, outcome="failure")
    assert files_of(dataset / ".pruned" / "failed.zarr") == kept
    pruning.prune(dataset, shorter_s=0.1, delete=True)
    assert not (dataset / "short.zarr").exists()
    assert sorted(path.name for path in (dataset / ".pruned").iterdir()) == ["failed.zarr"]
    pruning.prune(dataset, faulty=True)
    assert [episode.id for episode in Dataset(dataset)] == ["a"]
    with pytest.raises(BadInput, match="no episode 'nope'"):
        pruning.prune(dataset, episodes=("nope",))
    pruning.prune(dataset)
    assert len(Dataset(dataset)) == 1


def test_prune_takes_out_what_cannot_be_read_but_nothing_that_can_be_recovered(tmp_path: Path) -> None:
    dataset = fill(tmp_path, "abc")
    for name in "ab":
        (dataset / f"{name}.zarr" / "zarr.json").write_text("{")
    writer = EpisodeWriter.create(dataset, INFO, episode_id="live", minimum_s=1, sync_s=None)
    pruning.prune(dataset, episodes=("a",))
    assert not (dataset / "a.zarr").exists()
    (dataset / "c.zarr" / "action/c/0/0").unlink()
    pruning.prune(dataset, faulty=True, shorter_s=100.0)
    assert [folder.name for folder in dataset.glob("*.zarr")] == ["live.zarr"]
    with pytest.raises(Fault, match="being recorded right now"):
        pruning.prune(dataset, episodes=("live",))
    writer.discard()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_lengths_that_cannot_be_are_one_line(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(BadInput, match=r"--margin-s .*; allowed: 0 and more"):
        editing.trim(tmp_path, out=tmp_path / "out", margin_s=wrong)
    with pytest.raises(BadInput, match=r"--shorter-s .*; allowed: 0 and more"):
        pruning.prune(tmp_path, shorter_s=wrong)


def test_trim_cuts_the_idle_ends(tmp_path: Path) -> None:
    still, moving = 100, 60
    source = tmp_path / "source"
    writer = EpisodeWriter.create(source, INFO, episode_id="slow", minimum_s=1, queue_steps=1000, sync_s=None)
    for t in range(2 * still + moving):
        step = step_of(INFO, t)
        place = 0.01 * min(max(t - still, 0), moving)
        step.action[:] = place
        writer.append(step, frames_of(INFO, t - t % 2))
    writer.close("success")
    before = files_of(source)
    out = tmp_path / "out"
    editing.trim(source, out, margin_s=0.2)
    assert files_of(source) == before

    original, cut = Episode(source / "slow.zarr"), Episode(out / "slow.zarr")
    where = cut.info.configuration["cut"]
    first, end = where["first"], where["end"]
    assert (where["episode"], cut.steps, cut.outcome) == ("slow", end - first, "success")
    assert still - 12 <= first <= still
    assert still + moving <= end <= still + moving + 12
    assert np.array_equal(cut.action, original.action[first:end])
    assert np.array_equal(cut.camera_ns, original.camera_ns[first:end])
    assert np.array_equal(cut.joint_ns, original.joint_ns[first:end])
    for t in range(cut.steps):
        assert cut.frame_jpeg("cam_high", t) == original.frame_jpeg("cam_high", first + t)
    assert np.array_equal(cut.validity("cam_high")[1:], original.validity("cam_high")[first + 1 : end])


def test_missing_frames_stay_missing_in_a_cut(tmp_path: Path) -> None:
    writer = EpisodeWriter.create(tmp_path, INFO, episode_id="gaps", minimum_s=1, sync_s=None)
    for t in range(20):
        writer.append(step_of(INFO, t), frames_of(INFO, t) if t % 5 else {})
    episode = Episode(writer.close())
    copy_steps(episode, 3, 12, tmp_path, "cut")
    cut = Episode(tmp_path / "cut.zarr")
    assert np.flatnonzero(cut.validity("cam_high") == Validity.MISSING).tolist() == [2, 7]
    for first, end in ((-1, 5), (5, 5), (0, 21)):
        with pytest.raises(BadInput, match="are not within its 20 steps"):
            copy_steps(episode, first, end, tmp_path, "other")
    with pytest.raises(BadInput, match="there already"):
        copy_steps(episode, 0, 5, tmp_path, "cut")


def test_trim_into_a_folder_that_has_some_counts_only_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = fill(tmp_path / "source", "pq", steps=20), tmp_path / "out"
    told = run_json(capsys, "trim", source, "--out", out, "--margin-s", "0", "--motion", "0.005")
    assert (told["copied"], told["already_there"], told["steps"]) == (["p", "q"], [], 40)
    assert 0 < told["steps_cut"] == 40 - sum(episode.steps for episode in Dataset(out))
    fill(source, "r", steps=20)
    told = run_json(capsys, "trim", source, "--out", out, "--margin-s", "0", "--motion", "0.005")
    assert (told["copied"], told["already_there"], told["steps"]) == (["r"], ["p", "q"], 20)
    assert told["steps_cut"] == 20 - Episode(out / "r.zarr").steps
    with pytest.raises(BadInput, match="another cut of it"):
        editing.trim(source, out, margin_s=0.04, motion=0.005)


def test_every_command_tells_scripts_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, out = fill(tmp_path / "a", "pq"), tmp_path / "out"
    fill(out, "p")
    shutil.rmtree(out / "p.zarr")
    shutil.copytree(a / "p.zarr", out / "p.zarr")
    told = run_json(capsys, "merge", a, "--out", out)
    assert told == {"dataset": str(out), "copied": ["q"], "already_there": ["p"], "left_out": {}}
    told = run_json(capsys, "split", a, "--out", tmp_path / "parts", "--share", "0.5")
    assert sorted(told["train"]["copied"] + told["validation"]["copied"]) == ["p", "q"]
    told = run_json(capsys, "prune", out, "--episodes", "q")
    assert told == {
        "dataset": str(out),
        "taken_out": ["q"],
        "moved_to": str(out / ".pruned"),
        "deleted": False,
        "stay": 1,
    }
    assert run_json(capsys, "prune", a, "--outcome", "success", "--delete")["stay"] == 0
    assert list(a.iterdir()) == []


def run_json(capsys: pytest.CaptureFixture[str], command: str, *words: object) -> dict[str, Any]:
    assert main(["dataset", command, *map(str, words), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told
