"""Every kind of fault is put into an episode, and found where it is; a clean episode has none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import PERIOD_NS, TWO, Change, frames_of, info_of, kinds, record, record_changed, step_of

from il_robot.episodes import commands
from il_robot.episodes.jpeg_codec import encode
from il_robot.episodes.layout import JointInfo
from il_robot.episodes.reader import Episode
from il_robot.episodes.validation import validate_dataset, validate_episode
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault
from il_robot.types import Frame, Step


def test_a_clean_episode_has_no_fault(tmp_path: Path) -> None:
    assert validate_episode(record(tmp_path, info_of(TWO), 300)) == []


def late(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
    return replace(step, time_ns=step.time_ns + (3 * PERIOD_NS if t >= 30 else 0), joint_ns=step.joint_ns)


def test_a_gap_between_steps_is_found(tmp_path: Path) -> None:
    found = validate_episode(record_changed(tmp_path, late))
    assert ("gap", "steps", 30, 30) in kinds(found)
    assert "gap of 80.0 ms where 20.0 ms belong" in str(found[0])


def test_time_that_does_not_advance_is_found(tmp_path: Path) -> None:
    def back(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        return replace(step, time_ns=step_of(info_of(TWO), 9).time_ns) if t == 10 else step

    assert ("backwards", "steps", 10, 10) in kinds(validate_episode(record_changed(tmp_path, back)))


def test_jitter_is_found(tmp_path: Path) -> None:
    def shaken(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        return replace(step, time_ns=step.time_ns + (6_000_000 if t % 2 else 0))

    assert ("jitter", "steps", None, None) in kinds(validate_episode(record_changed(tmp_path, shaken)))


def restamped(camera: str, first: int, last: int, shift_ns: int) -> Change:
    def change(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        frame = frames[camera]
        if first <= t <= last and frame is not None:
            frames[camera] = replace(frame, time_ns=frame.time_ns + shift_ns)
        return step

    return change


def test_old_future_and_backward_frames_are_found(tmp_path: Path) -> None:
    old = kinds(validate_episode(record_changed(tmp_path, restamped("cam_high", 20, 22, -200_000_000))))
    assert ("stale", "cam_high", 20, 22) in old
    assert ("backwards", "cam_high", 20, 20) in old
    assert ("skew", "cameras", 20, 22) in old
    future = kinds(validate_episode(record_changed(tmp_path, restamped("cam_wrist", 5, 6, 60_000_000))))
    assert ("future", "cam_wrist", 5, 6) in future


def test_old_and_backward_joint_states_are_found(tmp_path: Path) -> None:
    def old(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        left, right = step.joint_ns
        return replace(step, joint_ns=(left, right - 200_000_000 if 20 <= t <= 22 else right))

    found = kinds(validate_episode(record_changed(tmp_path, old)))
    assert found >= {("stale", "follower_right", 20, 22), ("backwards", "follower_right", 20, 20)}
    assert not any(stream == "follower_left" for _, stream, _, _ in found)


def test_a_stream_that_pauses_or_jitters_is_found(tmp_path: Path) -> None:
    def paused(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        if 20 <= t <= 22:  # Three steps show one frame, and the camera counts none in between.
            frames["cam_high"] = frames_of(info_of(TWO), 19)["cam_high"]
        elif t > 22 and frames["cam_high"] is not None:
            frames["cam_high"] = replace(frames["cam_high"], sequence=t - 3)
        left, right = step.joint_ns
        return replace(step, joint_ns=(left + (5_000_000 if t % 2 else 0) - 5_000_000, right))

    found = validate_episode(record_changed(tmp_path, paused))
    skew = ("skew", "cameras", 22, 22)
    assert kinds(found) == {("gap", "cam_high", 23, 23), ("jitter", "follower_left", None, None), skew}
    assert "pause of 80.0 ms where 20.0 ms belong" in str(next(one for one in found if one.kind == "gap"))


def test_missing_and_skipped_frames_are_found(tmp_path: Path) -> None:
    def lossy(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        if 10 <= t <= 12:
            frames["cam_high"] = None
        wrist = frames["cam_wrist"]
        if t >= 40 and wrist is not None:
            frames["cam_wrist"] = replace(wrist, sequence=wrist.sequence + 2)
        return step

    found = validate_episode(record_changed(tmp_path, lossy))
    assert kinds(found) == {("missing", "cam_high", 10, 12), ("skipped", "cam_wrist", 40, 40)}


def pictured(first: int, last: int, jpeg: bytes) -> Change:
    def change(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        frame = frames["cam_high"]
        if first <= t <= last and frame is not None:
            frames["cam_high"] = replace(frame, jpeg=jpeg)
        return step

    return change


def test_a_frozen_and_a_black_camera_are_found(tmp_path: Path) -> None:
    same = frames_of(info_of(TWO), 20)["cam_high"].jpeg
    frozen = pictured(20, 30, same)

    def moving(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        seen = replace(step.observation, qpos=np.full(14, 0.02 * t, np.float32))
        return replace(frozen(t, step, frames), observation=seen)

    assert ("frozen", "cam_high", 20, 30) in kinds(validate_episode(record_changed(tmp_path, moving)))
    black = encode(np.zeros((120, 160, 3), np.uint8))
    assert ("black", "cam_high", 31, 33) in kinds(validate_episode(record_changed(tmp_path, pictured(31, 33, black))))


def test_a_camera_that_shows_two_pictures_in_turn_is_frozen(tmp_path: Path) -> None:
    pair = [frames_of(info_of(TWO), t)["cam_high"].jpeg for t in (20, 21)]

    def in_turn(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        seen = replace(step.observation, qpos=np.full(14, 0.02 * t, np.float32))
        # Slower than the loop: every other step repeats its frame.
        frame = frames_of(info_of(TWO), t - t % 2)["cam_high"]
        frames["cam_high"] = replace(frame, sequence=t // 2)
        if 20 <= t <= 43:
            frames["cam_high"] = replace(frame, sequence=t // 2, jpeg=pair[t // 2 % 2])
        return replace(step, observation=seen)

    found = validate_episode(record_changed(tmp_path, in_turn))
    (frozen,) = [one for one in found if one.kind == "frozen"]
    assert (frozen.stream, frozen.first, frozen.last) == ("cam_high", 20, 42)
    assert frozen.text == "12 new frames are the same 2 pictures in turn"


def test_a_camera_may_see_the_same_for_two_seconds_while_nothing_moves(tmp_path: Path) -> None:
    def standing(last: int) -> Change:
        same = pictured(20, last, frames_of(info_of(TWO), 20)["cam_high"].jpeg)

        def change(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
            return replace(same(t, step, frames), observation=replace(step.observation, qpos=np.zeros(14, np.float32)))

        return change

    assert "frozen" not in {kind for kind, *_ in kinds(validate_episode(record_changed(tmp_path, standing(100), 180)))}
    assert ("frozen", "cam_high", 20, 130) in kinds(validate_episode(record_changed(tmp_path, standing(130), 180)))


def test_a_picture_that_does_not_decode_is_found(tmp_path: Path) -> None:
    jpeg = frames_of(info_of(TWO), 0)["cam_high"].jpeg
    hollow = jpeg[: len(jpeg) // 2] + b"\xff\xd9"
    found = kinds(validate_episode(record_changed(tmp_path, pictured(26, 26, hollow))))
    assert ("undecodable", "cam_high", 26, 26) in found


def moved(array: str, t_bad: int, joint: int, value: float) -> Change:
    def change(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        if t != t_bad:
            return step
        if array == "action":
            action = step.action.copy()
            action[joint] = value
            return replace(step, action=action)
        qpos = step.observation.qpos.copy()
        qpos[joint] = value
        return replace(step, observation=replace(step.observation, qpos=qpos))

    return change


def test_impossible_motion_is_found(tmp_path: Path) -> None:
    assert ("nan", "joint_3", 7, 7) in kinds(validate_episode(record_changed(tmp_path, moved("qpos", 7, 3, np.nan))))
    beyond = kinds(validate_episode(record_changed(tmp_path, moved("action", 8, 2, 3.2))))
    assert ("limit", "joint_2", 8, 8) in beyond
    assert ("jump", "joint_2", 8, 9) in beyond


def test_a_gripper_outside_its_range_is_found(tmp_path: Path) -> None:
    info = info_of(TWO)
    gripper = JointInfo("left_gripper", "opening", 0.0, 1.0, 50.0)
    info = replace(info, joints=(*info.joints[:-1], gripper))

    def open_wide(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        qpos = step.observation.qpos.copy()
        qpos[-1] = 1.2 if t == 30 else 0.5
        action = step.action.copy()
        action[-1] = 0.5
        return replace(step, observation=replace(step.observation, qpos=qpos), action=action)

    found = validate_episode(record_changed(tmp_path, open_wide, info=info))
    assert kinds(found) == {("limit", "left_gripper", 30, 30)}


def test_standing_idle_at_both_ends_is_found(tmp_path: Path) -> None:
    def idle(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        moving = min(max(t - 150, 0), 50)
        return replace(step, action=np.full(14, 0.02 * moving, np.float32))

    found = kinds(validate_episode(record_changed(tmp_path, idle, steps=400)))
    assert found == {("idle", "episode", 0, 150), ("idle", "episode", 200, 399)}


def test_a_camera_that_counts_anew_is_found(tmp_path: Path) -> None:
    def restarted(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        wrist = frames["cam_wrist"]
        if t >= 40 and wrist is not None:
            frames["cam_wrist"] = replace(wrist, sequence=t - 40)
        return step

    assert kinds(validate_episode(record_changed(tmp_path, restarted))) == {("recount", "cam_wrist", 40, 40)}


def test_a_recording_that_a_fault_ended_is_found(tmp_path: Path) -> None:
    writer = EpisodeWriter.create(tmp_path, info_of(TWO), minimum_s=1, sync_s=None)
    for t in range(10):
        writer.append(step_of(info_of(TWO), t), frames_of(info_of(TWO), t))
    other = replace(frames_of(info_of(TWO), 10)["cam_high"], jpeg=encode(np.zeros((16, 16, 3), np.uint8)))
    writer.append(step_of(info_of(TWO), 10), {"cam_high": other})
    with pytest.raises(Fault, match="sends 16x16"):
        writer.close()
    (found,) = validate_dataset(tmp_path)
    assert (found.kind, Episode(writer.path).steps) == ("ended-early", 10)
    assert "sends 16x16" in found.text


def test_the_documentation_lists_every_kind_of_fault() -> None:
    root = Path(__file__).parents[2]
    table = (root / "docs/episode-format.md").read_text().partition("## Faults")[2].partition("## Versions")[0]
    listed = {kind for line in table.splitlines() if line.startswith("| ") for kind in re.findall(r"`([a-z-]+)`", line)}
    sources = [*(root / "il_robot/episodes/checks").glob("*.py"), root / "il_robot/episodes/validation.py"]
    made = {k for file in sources for k in re.findall(r'Finding\([^"\n]*(?:"[a-z]+", )?"([a-z-]+)"', file.read_text())}
    assert listed - {"zarr", "kind"} == made


def test_unreadable_and_incomplete_episodes_are_findings(tmp_path: Path) -> None:
    record(tmp_path, info_of(TWO), 20, episode_id="a")
    path = record(tmp_path, info_of(TWO), 20, episode_id="b")
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"complete": true', '"complete": false'))
    (tmp_path / "c.zarr").mkdir()
    assert [(one.episode, one.kind) for one in validate_dataset(tmp_path)] == [("b", "incomplete"), ("c", "unreadable")]


def test_an_objects_pose_that_is_not_known_or_cannot_be_is_found(tmp_path: Path) -> None:
    def blind(t: int, step: Step, frames: dict[str, Frame | None]) -> Step:
        seen = step.observation
        pose = np.full(7, {20: np.inf, 30: 1e30, 31: 0}.get(t, 0.5), np.float32)
        return replace(step, observation=replace(seen, objects={} if 7 <= t < 10 else {"cube": pose}))

    found = [one for one in validate_episode(record_changed(tmp_path, blind)) if one.stream == "cube"]
    assert kinds(found) == {("nan", "cube", 7, 9), ("nan", "cube", 20, 20), ("nan", "cube", 30, 31)}
    assert {one.first: one.text.split(":")[0] for one in found} == {
        7: "its pose is not known",
        20: "its pose is infinite",
        30: "its pose is no place on a table, or no rotation",
    }


def test_the_commands_tell_scripts_by_exit_code_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path, info_of(TWO), 60, episode_id="a")
    assert commands.validate(tmp_path) == 0
    assert "no fault found" in capsys.readouterr().out
    assert commands.info(tmp_path) == 0
    assert "1 episode, 60 steps" in capsys.readouterr().out
    assert commands.info(tmp_path, as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["total"]["steps"] == 60
    assert {word: data["total"][word] for word in ("missing", "repeated", "skipped", "lost")} == {
        "missing": 0,
        "repeated": 0,
        "skipped": 0,
        "lost": 0,
    }
    assert data["episodes"][0]["name"] == "a"
    assert data["episodes"][0]["rate_hz"] == pytest.approx(50.0)
    assert commands.recover(tmp_path) == 0
    assert "0 recovered, 1 were complete" in capsys.readouterr().out

    (path / "action/c/0/0").unlink()
    assert commands.validate(tmp_path, as_json=True) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["episode"], finding["stream"], finding["kind"]) == ("a", "action", "checksum")
    for command in (commands.info, commands.validate, commands.recover):
        with pytest.raises(BadInput, match="no such dataset"):
            command(tmp_path / "nowhere")


def test_info_goes_on_without_an_episode_it_cannot_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, info_of(()), 20, episode_id="a")
    path = record(tmp_path, info_of(()), 20, episode_id="b")
    (path / "control/intervention/c/0").write_bytes(b"short")
    assert commands.info(tmp_path) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "b - - - - - - unreadable: control/intervention/c/0: 5 bytes" in told
    assert "1 episode, 20 steps" in told
    assert commands.info(tmp_path, as_json=True) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["unreadable"] == {"b": "control/intervention/c/0: 5 bytes or more where 84 belong"}
    assert [episode["name"] for episode in data["episodes"]] == ["a"]


def test_info_tells_by_its_exit_code_that_an_episode_was_left_out(tmp_path: Path) -> None:
    record(tmp_path, info_of(()), 20, episode_id="a")
    path = record(tmp_path, info_of(()), 20, episode_id="b")
    assert commands.info(tmp_path) == 0
    (path / "zarr.json").unlink()
    assert commands.info(tmp_path) == 1
