"""What the arguments name is looked at before any process starts."""

from __future__ import annotations

import os
import pty
import re
from pathlib import Path

import pytest
from one_step import record

from calibration.rig_file import RIGS, load_rig
from hardware.emulated_lab import write_lab
from il_robot.errors import BadInput
from il_robot_ros.before_start import check_inputs
from il_robot_ros.graph import graph
from il_robot_ros.launch_arguments import parse


def check(name: str, *pairs: str) -> None:
    check_inputs(graph(name).processes(parse(pairs)))


def refused(name: str, *pairs: str) -> str:
    """Why the run does not start."""
    with pytest.raises(BadInput) as error:
        check(name, *pairs)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_dataset_is_a_folder_that_can_be_written(tmp_path: Path) -> None:
    check("collect", f"dataset:={tmp_path}/new/one")
    assert not (tmp_path / "new").exists(), "looking makes nothing"
    (tmp_path / "README.md").touch()
    for dataset in ("README.md", "README.md/in"):
        said = refused("collect", f"dataset:={tmp_path}/{dataset}")
        assert said.endswith(f"{tmp_path}/README.md is a file; allowed: a folder, which is made if there is none")
    assert "/proc cannot be written" in refused("collect", "dataset:=/proc/cube")
    assert "s3://bucket/cube: a URL is for reading only" in refused("collect", "dataset:=s3://bucket/cube")
    episode = record(tmp_path / "cube", load_rig("sim"))
    assert f"is an episode; allowed: a folder of episodes, such as {tmp_path / 'cube'}" in refused(
        "collect", f"dataset:={episode}"
    )


def test_a_dataset_s_episodes_are_of_one_kind(tmp_path: Path) -> None:
    dataset = f"dataset:={tmp_path / 'data'}"
    record(tmp_path / "data", load_rig("koch"))
    check("collect", "rig:=koch", dataset)
    assert (
        "have other joints: main_shoulder_pan, main_shoulder_lift, main_elbow_flex and 3 more, where rig sim has"
        in (refused("collect", dataset))
    )
    text = (RIGS / "koch/rig.yaml").read_text()
    for what, old, new, said in (
        (
            "cameras",
            "width: 640",
            "width: 320",
            "cam_front 640x480, cam_wrist 640x480, where rig koch has cam_front 320x",
        ),
        ("cameras", "name: cam_wrist", "name: cam_hand", "cam_wrist 640x480, where rig koch has cam_hand 640x480"),
        ("rate", "rate_hz: 50", "rate_hz: 25", "50 Hz, where rig koch has 25 Hz"),
    ):
        lab = tmp_path / f"lab_{said[:5]}{new[-3:]}"
        write_lab("koch", lab)
        (lab / "rig.yaml").write_text(text.replace(old, new))
        wiring = lab / "hardware.yaml"
        wiring.write_text(wiring.read_text().replace("cam_wrist", "cam_hand") if "hand" in new else wiring.read_text())
        calibration = lab / "calibration.yaml"
        calibration.write_text((RIGS / "koch/calibration.yaml").read_text())
        assert f"have other {what}: {said}" in refused("collect", f"rig:={lab}", dataset)


@pytest.mark.parametrize("name", ["teleop", "collect", "deploy", "replay"])
def test_a_wrong_pedal_is_one_line(name: str, tmp_path: Path) -> None:
    given = {
        "teleop": ["rig:=koch"],
        "collect": ["rig:=koch", f"dataset:={tmp_path}"],
        "deploy": [f"dataset:={tmp_path}", f"policy:={tmp_path}"],
        "replay": [f"dataset:={tmp_path}", f"episode:={tmp_path}"],
    }[name]
    for pedal, said in {
        "keybord": "pedal:=keybord; did you mean 'keyboard'? allowed: keyboard, rig, or the path of a serial port",
        "ttyACM0": "pedal:=ttyACM0; allowed: keyboard, rig, or the path",
        "": "pedal:=; allowed",
    }.items():
        assert refused(name, *given, f"pedal:={pedal}").startswith(said)


def test_a_pedal_that_is_typed_is_a_port_that_is_there(tmp_path: Path) -> None:
    rig = ("rig:=koch", f"dataset:={tmp_path}")
    pedal, port = pty.openpty()
    check("collect", *rig, f"pedal:={os.ttyname(port)}")
    os.close(pedal)
    os.close(port)
    assert "pedal:=/dev/ttyNONE: no such device; is it plugged in?" in refused("collect", *rig, "pedal:=/dev/ttyNONE")
    assert refused("collect", *rig, "pedal:=/dev/null") == "pedal:=/dev/null: not a serial port"


def test_a_policy_and_an_episode_are_what_they_are_called(tmp_path: Path) -> None:
    data = f"dataset:={tmp_path / 'again'}"
    (tmp_path / "runs/act").mkdir(parents=True)
    (tmp_path / "runs/act/config.json").touch()
    check("deploy", data, f"policy:={tmp_path}/runs/act")
    said = refused("deploy", data, f"policy:={tmp_path}/runs")
    assert said.endswith(f"it has no config.json; name one of the runs in it: {tmp_path}/runs/act")
    episode = record(tmp_path / "data", load_rig("koch"))
    check("replay", data, f"episode:={episode}", "rig:=koch")
    assert re.search(
        "recorded on another rig .koch. than sim; joints differ: ", refused("replay", data, f"episode:={episode}")
    )
    assert "not an episode" in refused("replay", data, f"episode:={tmp_path}")


def test_a_real_rig_s_files_are_read_before_it_starts(tmp_path: Path) -> None:
    write_lab("koch", tmp_path / "lab")
    wiring = tmp_path / "lab" / "hardware.yaml"
    check("teleop", f"rig:={tmp_path}/lab")
    wiring.write_text(wiring.read_text().replace("baud: 1000000", "baud: 1000001") + "bauds: 1\n")
    assert "bauds" in refused("teleop", f"rig:={tmp_path}/lab")
