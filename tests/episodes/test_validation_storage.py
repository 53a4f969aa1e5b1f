"""Damage and untruths in an episode's files are found by ``dataset validate``, each where it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from recorded import TWO, frames_of, info_of, kinds, record, record_changed

from il_robot.episodes.layout import FRAMES_PER_SHARD
from il_robot.episodes.reader import Episode
from il_robot.episodes.shard import shard_path
from il_robot.episodes.validation import validate_episode
from il_robot.types import Frame, Step


def flip_frame(path: Path, camera: str, t: int) -> None:
    shard = shard_path(path, camera, t // FRAMES_PER_SHARD)
    raw = bytearray(shard.read_bytes())
    raw[int(Episode(path)._index(camera, t // FRAMES_PER_SHARD)[t % FRAMES_PER_SHARD, 0]) + 20] ^= 1
    shard.write_bytes(raw)


def test_damage_on_disk_is_found(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    flip_frame(path, "cam_wrist", 4)
    assert kinds(validate_episode(path)) == {("checksum", "cam_wrist", 4, 4)}
    shard = shard_path(path, "cam_wrist", 0)
    raw = bytearray(shard.read_bytes())
    raw[3] ^= 1
    shard.write_bytes(raw)
    assert kinds(validate_episode(path)) == {("checksum", "cam_wrist", 0, 19)}
    (path / "action/zarr.json").write_text("{}")
    (path / "time/step_ns/zarr.json").unlink()
    (path / "action/c/0/0").write_bytes(b"short")
    assert {(one.kind, one.stream) for one in validate_episode(path)} == {
        ("metadata", "action"),
        ("checksum", "action"),
        ("metadata", "time/step_ns"),
    }


def test_a_shard_that_is_cut_off_or_gone_is_found(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    shard = shard_path(path, "cam_wrist", 0)
    shard.write_bytes(shard.read_bytes()[:-100])
    assert kinds(validate_episode(path)) == {("checksum", "cam_wrist", 0, 19)}
    shard.unlink()
    assert kinds(validate_episode(path)) == {("checksum", "cam_wrist", 0, 19)}


def edited(path: Path, **changes: object) -> None:
    """Change keys of a ``zarr.json``; None removes one."""
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


@pytest.mark.parametrize(
    ("node", "changes"),
    [
        ("", {"node_type": "array"}),
        ("", {"extra": 1}),
        ("observations", {"zarr_format": None}),
        ("observations/objects", {"attributes": 3}),
        ("action", {"extra": {"must": True}}),
        ("action", {"attributes": "mine"}),
        ("time/step_ns", {"shape": [20.0]}),
        ("control/mode", {"fill_value": False}),
        ("images/cam_high", {"storage_transformers": [{"name": "shift"}]}),
    ],
)
def test_a_key_that_zarr_cannot_use_is_found(tmp_path: Path, node: str, changes: dict[str, object]) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    edited(path / node / "zarr.json", **changes)
    (found,) = validate_episode(path)
    assert (found.kind, found.stream) == ("metadata", node or "episode")
    assert next(iter(changes)) in found.text


@pytest.mark.parametrize("group", ["observations", "observations/objects", "images", "control", "time"])
def test_a_group_that_zarr_cannot_open_is_found(tmp_path: Path, group: str) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    (path / group / "zarr.json").write_text("{")
    assert [(one.kind, one.stream) for one in validate_episode(path)] == [("metadata", group)]
    (path / group / "zarr.json").unlink()
    assert [(one.kind, one.stream) for one in validate_episode(path)] == [("metadata", group)]


def test_users_may_set_attributes_through_zarr(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    for node in ("", "observations", "action", "images/cam_high"):
        zarr.open(str(path / node), mode="r+").attrs["note"] = "the good one"
    assert validate_episode(path) == []


def test_codes_that_mean_nothing_are_found(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    for array, value, place in (("mode", 9, 3), ("gate", 32, 4), ("valid", 7, (5, 1)), ("valid", 3, (6, 2))):
        zarr.open_array(str(path / "control" / array), mode="r+")[place] = value
    assert {one for one in kinds(validate_episode(path)) if one[0] == "unknown"} == {
        ("unknown", "control/mode", 3, 3),
        ("unknown", "control/gate", 4, 4),
        ("unknown", "follower_right", 5, 5),
        ("unknown", "cam_high", 6, 6),
    }


def test_an_episode_without_a_step_is_found(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(TWO), 20)
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"steps": 20', '"steps": 0'))
    assert [(one.kind, one.stream) for one in validate_episode(path)] == [("empty", "episode")]


def test_a_frame_stored_anew_in_the_next_shard_is_checked_though_it_is_repeated(tmp_path: Path) -> None:
    def slow(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        frames["cam_wrist"] = frames_of(info_of(TWO), min(t, 249))["cam_wrist"] if t < 252 else None
        return step

    path = record_changed(tmp_path, slow, steps=253)
    flip_frame(path, "cam_wrist", 250)
    assert ("checksum", "cam_wrist", 250, 251) in kinds(validate_episode(path)), "one frame, shown twice"


@pytest.mark.filterwarnings("error")
def test_infinite_numbers_are_found_and_warn_nobody(tmp_path: Path) -> None:
    path = record(tmp_path, info_of(()), 20)
    for array in ("observations/qvel", "observations/qpos", "observations/objects/cube"):
        zarr.open_array(str(path / array), mode="r+")[:] = np.inf
    found = kinds(validate_episode(path))
    assert {("nan", "joint_0", 0, 19), ("nan", "cube", 0, 19)} <= found
    assert [str(one) for one in validate_episode(path) if "qvel" in one.text], "NaN alone means: nothing measures it"
