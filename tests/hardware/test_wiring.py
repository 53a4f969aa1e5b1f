"""hardware.yaml of the rigs at hand, and what is wrong with broken ones."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from calibration.rig_file import RIGS, load_rig
from hardware.wiring import load_wiring
from il_robot.errors import BadInput


@pytest.mark.parametrize(("name", "joints", "servos"), [("aloha", 14, 36), ("koch", 6, 12)])
def test_the_rigs_at_hand_agree_with_themselves(name: str, joints: int, servos: int) -> None:
    rig = load_rig(name)
    wiring, calibration = load_wiring(rig, name)
    assert len(rig.joint_names) == joints
    assert sum(len(wiring.chain(arm)) for arm in wiring.arms) == servos
    assert set(calibration.arms) == set(wiring.arms)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("hardware.yaml", "drive_mode: 1}", "drivemode: 1}", "drivemode"),
        ("hardware.yaml", "model: XM540-W270}", "model: XM540-W27}", "did you mean 'XM540-W270'"),
        ("hardware.yaml", "{id: 2,", "{id: 1,", "two servos with id 1"),
        ("hardware.yaml", "shadow_of: 2}", "shadow_of: 4}", "shadows 4, no main servo of shoulder"),
        ("hardware.yaml", "goal_current: 200}", "goal_current: 2000}", "goal_current 2000; allowed: 1..1193"),
        ("hardware.yaml", "upper_ticks: 2867", "upper_ticks: 2700", "joint shoulder: its limits are ticks"),
        ("hardware.yaml", "upper_ticks: 2867", "upper_ticks: 5000", "within 0..4095"),
        ("hardware.yaml", "chain: vx300s", "chain: vx300", "no chain 'vx300'"),
        ("hardware.yaml", "0.65, 0.0, 0.0]", "0.65, 0.0]", "sleep has 6 values; allowed: 7, one for each"),
        ("hardware.yaml", "  follower_left:", "  folower_left:", "did you mean 'follower_left'"),
        ("hardware.yaml", "  cam_low:", "  cam_lo:", "camera 'cam_lo' is not in rig.yaml; did you"),
        ("hardware.yaml", "joint: wrist_rotate, model: XL", "joint: wrist_rot, model: XL", "'wrist_rot' is not in"),
        ("hardware.yaml", "XL430-W250,", "XL430-W250, mode: current_based_position,", "no mode current_based"),
        ("hardware.yaml", "carried: false", "on: false", "key True: not a text; put it in quotes"),
        ("hardware.yaml", "joint: elbow, axis", "joint: elbo, axis", "gravity: no joint 'elbo'; did you mean"),
        ("hardware.yaml", "limit_a: 1.1", "limit_a: 11", "limit_a 11.0; allowed: above 0, at most 2 A"),
        ("hardware.yaml", "focus: 35}", "focsu: 35}", "cam_low.*: no control 'focsu'; did you mean 'focus'"),
        ("hardware.yaml", "focus: 35}", "exposure: 0}", "controls: exposure 0; allowed: at least 1"),
        ("hardware.yaml", "autofocus: 0, focus: 35}", "autofocus: 2}", "controls: autofocus 2; allowed: 0 to 1"),
        ("hardware.yaml", "autofocus: 0, focus: 35}", "autofocus: 1, focus: 35}", "focus 35 does not hold with autof"),
        ("hardware.yaml", "kind: serial, port", "kind: evdev, keys: {KEY_A: 0, KEY_B: 1}, port", "no key is button 3"),
        ("hardware.yaml", "kind: serial, port", "kind: evdev, keys: {KEY_A: 3, KEY_B: 7}, port", "7 means nothing in"),
        ("calibration.yaml", "version: 1", "version: 1\nlatency_s: {cam_hi: 0.1}", "no camera 'cam_hi' in rig.yaml"),
        ("calibration.yaml", "version: 1", "version: 1\nlatency_s: {cam_low: 30}", "latency_s of cam_low: 30.0; all"),
        ("calibration.yaml", "  leader_right:", "  leader_up:", "did you mean 'leader_right'"),
        ("calibration.yaml", "elbow:", "elbo:", "did you mean 'elbow'"),
        ("hardware.yaml", "baud: 1000000", "baud: 100000", "baud 100000; allowed: 9600, "),
        ("hardware.yaml", "model: XM540-W270}", "model: XM540-W270, velocity_limit: 0}", "velocity_limit 0; all"),
        ("hardware.yaml", "model: XM540-W270}", "model: XM540-W270, velocity_limit: 100}", "allowed: 2.40 rad/s, w"),
        ("hardware.yaml", "p_gain: 640", "p_gain: -640", "p_gain -640; allowed: 1..16383"),
        ("hardware.yaml", "drive_mode: 1", "drive_mode: 4", "drive_mode 4; allowed: 0..1"),
        ("hardware.yaml", "0.65, 0.0, 0.0]", "0.65, 0.0, 90]", "sleep has gripper at 90; allowed: 0 to 1"),
        ("hardware.yaml", "/dev/il_leader_right", "/dev/il_follower_left", "follower_left and leader_right both have"),
        ("hardware.yaml", "/dev/il_cam_low", "/dev/il_cam_high", "cam_high and cam_low both have /dev/il_cam_high"),
        ("hardware.yaml", "/dev/il_leader_right", "''", "an arm's port is empty"),
        ("hardware.yaml", "{device: /dev/il_cam_high, rate_hz: 6", "{device: x, rate_hz: -6", "rate_hz -60; allowed"),
        ("hardware.yaml", "baud: 1000000", "baud: 1000000\nbaud: 57600", "'baud' stands twice"),
        ("calibration.yaml", "waist: {zero_ticks: 2048.0", "waist: {zero_ticks: .nan", "zero_ticks: nan; allowed"),
        ("calibration.yaml", "open_ticks: 2249.0", "open_ticks: 22490.0", "open_ticks 22490: allowed: -2048..6144"),
        ("rig.yaml", "velocity: 3.1416, start: -0.96", "velocity: 5.0, start: -0.96", "shoulder: velocity 5; a"),
    ],
)  # fmt: skip
def test_a_broken_rig_is_one_clear_line(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    said = _refused(tmp_path / "lab", file, old, new)
    assert re.search(message, said) and "\n" not in said and said.startswith(f"{tmp_path}/lab/")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "upper_ticks: 2867, shadow_of: 2}",
            "upper_ticks: 2867, shadow_of: 2, drive_mode: 1}",
            "8:102: servo 3 (shoulder): drive_mode 1; allowed: 0, as servo 2, which it shadows and faces, has 1: else",
        ),
        (
            "drive_mode: 1, shadow_of: 4}",
            "shadow_of: 4}",
            "21:7: servo 5 (elbow): drive_mode 0; allowed: 1, as servo 4, which it shadows and faces, has 0: else",
        ),
        (
            "upper_ticks: 3094, shadow_of",
            "upper_ticks: 3095, shadow_of",
            "10:66: servo 5 (elbow): upper_ticks 3095; allowed: 3094, as servo 4, which it shadows, has",
        ),
        (
            "goal_current: 500, drive_mode: 1, shadow_of: 2",
            "goal_current: 50, drive_mode: 1, shadow_of: 2",
            "19:118: servo 3 (shoulder): goal_current 50; allowed: 500, as servo 2, which it shadows, has",
        ),
        (
            "mode: current_based_position, goal_current: 500, drive_mode: 1, shadow_of: 4",
            "drive_mode: 1, shadow_of: 4",
            "21:7: servo 5 (elbow): mode position; allowed: current_based_position, as servo 4, which it shadows, has",
        ),
    ],
)
def test_a_shadow_that_would_fight_its_main_servo_is_refused_where_it_stands(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert _refused(tmp_path / "lab", "hardware.yaml", old, new).startswith(f"{tmp_path}/lab/hardware.yaml:{message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("goal_current: 200}", "goal_current: 500}", "servo 9 (gripper): goal_current 500; allowed: 1..300, its curr"),
        ("goal_current: 500", "current_limit: 400, goal_current: 400", "gravity: limit_a 1.1; allowed: at most 1.08 A"),
        ("XM540-W270}", "XM540-W270, velocity_limit: 25}", "servo 1 (waist): velocity_limit 25; allowed: 26..1023"),
    ],
)
def test_a_number_that_another_one_bounds_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in _refused(tmp_path / "lab", "hardware.yaml", old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "waist: {zero_ticks: 2048.0",
            "waist: {zero_ticks: 3600.0",
            "joint waist: zero_ticks 3600 brings its limits in rig.yaml to ticks 1552..5648; allowed: 1934 to 2161, as",
        ),
        (
            "open_ticks: 3020.0",
            "open_ticks: 5020.0",
            "gripper gripper: closed and open are ticks 1643..5020; allowed: ticks 0..4095, what servo 9 of follower_l",
        ),
    ],
)
def test_a_zero_out_of_reach_is_not_blamed_on_the_limits(tmp_path: Path, old: str, new: str, message: str) -> None:
    said = _refused(tmp_path / "lab", "calibration.yaml", old, new)
    assert said.startswith(f"{tmp_path}/lab/calibration.yaml: arm follower_left: {message}")


def _refused(folder: Path, file: str, old: str, new: str) -> str:
    """What is said of an ALOHA with this mistake."""
    shutil.copytree(RIGS / "aloha", folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(BadInput) as raised:
        load_wiring(load_rig(str(folder)), str(folder))
    return str(raised.value)
