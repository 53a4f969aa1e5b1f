"""A rig.yaml that would make the gate useless, or could not be built, is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.arm import load_calibration
from calibration.capture import SIGN_SPREAD_RAD
from calibration.guide import Poses, load_poses
from calibration.rig_file import RIGS, load_rig, rig_names
from il_robot import strict_yaml
from il_robot.errors import BadInput


@pytest.mark.parametrize("rig", rig_names())
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("velocity: 5.0", "velocity: 180", "joint gripper: velocity 180; allowed: above 0, at most 20 rad/s"),
        ("velocity: 5.0", "velocity: .inf", r"velocity: inf; allowed: finite numbers"),
        ("velocity: 5.0", "velocity: -5.0", "velocity -5.0 must be above 0"),
        ("velocity: 5.0", "velocity: 5.0, velocity: 6.0", "'velocity' stands twice"),
        ("velocity: 5.0", "velocty: 5.0", "velocty: no such key; did you mean 'velocity'"),
        ("lower: 0.0, upper: 1.0", "lower: -180, upper: 180", "limits -180 to 180; allowed: -12.6 to 12.6 rad"),
        ("lower: 0.0, upper: 1.0", "lower: 0.0, upper: .nan", "upper: nan; allowed: finite"),
        ("lower: 0.0, upper: 1.0", "lower: 1.0, upper: 0.0", "lower 1.0 must be below upper 0.0"),
        ("lower: 0.0, upper: 1.0", "lower: 0.1, upper: 1.0", "start 0.0 is outside"),
        ("lower: 0.0, upper: 1.0", "lower: '0', upper: 1.0", "'0' is not a number"),
        ("name: gripper", "name: the gripper", "name 'the gripper'; allowed: letters, digits and _, a letter first"),
        ("rate_hz: 50.0", "rate_hz: 0.0", "rate_hz 0.0; allowed: 0.1 to 1000"),
        ("rate_hz: 50.0", "rate_hz: 50 Hz", "'50 Hz' is not a number"),
        ("rate_hz: 50.0", "rate_hz: 50.0\npedal: {record: 0, success: 0}", "each needs a button of its own"),
        ("rate_hz: 50.0", "rate_hz: 50.0\npedal: {record: 900}", "record is button 900; allowed: 0 to 31"),
        ("rate_hz: 50.0", "rate_hz: 50.0\nobjects: cube", "'cube' is not a list"),
        ("cameras:", "cameras:\n  - {name: more, width: 9, height: 9, quality: 900}", "quality 900; allowed: 1 to 100"),
        ("width: ", "width: 0 #", "not YAML"),
        ("width: ", "width: 99", "; allowed: 1 to 8192 px"),
    ],
)  # fmt: skip
def test_a_wrong_unit_or_an_impossible_limit_is_one_line(
    tmp_path: Path, rig: str, old: str, new: str, told: str
) -> None:
    lines = [
        line for line in (RIGS / rig / "rig.yaml").read_text().splitlines() if not line.startswith(("#", "objects"))
    ]
    text = "\n".join(line for line in lines if not line.startswith("pedal"))
    assert old in text
    (tmp_path / "rig.yaml").write_text(text)
    load_rig(str(tmp_path))
    (tmp_path / "rig.yaml").write_text(text.replace(old, new))
    with pytest.raises(BadInput, match=told) as raised:
        load_rig(str(tmp_path))
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("rig", ["aloha", "koch"])
def test_the_poses_of_a_rig_show_which_way_every_joint_turns(rig: str) -> None:
    poses = strict_yaml.load(RIGS / rig / "poses.yaml", Poses).poses
    for joint in poses[0].angles:
        assert np.ptp([pose.angles[joint] for pose in poses]) > 2 * SIGN_SPREAD_RAD, joint


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("shoulder_pan: 1.5708", "shoulder_pan: 90", r".*pose turned: shoulder_pan at 90; allowed: -6.28 to 6.28 rad"),
        (
            "name: turned",
            "name: middle",
            r"\d+:1: poses middle, middle, back; allowed: at least one, each with a name of its own",
        ),
        ("shoulder_pan: 1.5708, ", "", r"\d+:5: pose turned: the angle of shoulder_pan is missing"),
        ("shoulder_pan: 1.5708", "shoulder_pn: 1.5708", r"\d+:14: pose turned: no joint 'shoulder_pn'; did you mean"),
    ],
)
def test_poses_in_degrees_or_named_twice_are_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = (RIGS / "koch" / "poses.yaml").read_text()
    assert old in text
    (tmp_path / "poses.yaml").write_text(text.replace(old, new))
    with pytest.raises(BadInput, match=rf"^{tmp_path}/poses\.yaml:{told}"):
        load_poses(tmp_path / "poses.yaml", load_rig("koch"), load_calibration(RIGS / "koch" / "calibration.yaml"))
