"""What the arguments name is looked at before any process starts."""

from __future__ import annotations

import os
import pty
import re
from pathlib import Path

import pytest
from one_step import record

from calibration.rig_file import load_rig
from hardware.emulated_lab import write_lab
from il_robot.errors import BadInput, Fault
from il_robot_ros.before_start import check_inputs
from il_robot_ros.graph import graph
from il_robot_ros.launch_arguments import login, parse


def check(name: str, *pairs: str) -> None:
    check_inputs(graph(name).processes(parse(pairs)))


def refused(name: str, *pairs: str) -> str:
    """Why the run does not start."""
    with pytest.raises(BadInput) as error:
        check(name, *pairs)
    assert "\n" not in str(error.value)
    return str(error.value)


def lab(tmp_path: Path) -> Path:
    """The folder of a rig whose ports are there."""
    ports = write_lab("koch", tmp_path / "lab")
    for arm in ("follower_main", "leader_main"):
        (ports / arm).touch()
    return tmp_path / "lab"


def test_a_dataset_is_a_folder_that_can_be_written(tmp_path: Path) -> None:
    check("collect", f"dataset:={tmp_path}/new/one")
    assert not (tmp_path / "new").exists(), "looking makes nothing"
    (tmp_path / "README.md").touch()
    for dataset in ("README.md", "README.md/in"):
        said = refused("collect", f"dataset:={tmp_path}/{dataset}")
        assert said.endswith(f"{tmp_path}/README.md is a file; allowed: a folder, which is made if there is none")
    assert "/proc cannot be written" in refused("collect", "dataset:=/proc/cube")
    assert "s3://bucket/cube: a URL is for reading only" in refused("collect", "dataset:=s3://bucket/cube")
    (tmp_path / "half" / ".discarded-1.zarr").mkdir(parents=True)
    (tmp_path / "half" / "2.zarr").mkdir()
    check("collect", f"dataset:={tmp_path}/half")  # what a killed recorder left
    episode = record(tmp_path / "cube", load_rig("sim"))
    assert f"is an episode; allowed: a folder of episodes, such as {tmp_path / 'cube'}" in refused(
        "collect", f"dataset:={episode}"
    )


@pytest.mark.parametrize(
    ("what", "old", "new", "said"),
    [
        (
            "cameras",
            "width: 640",
            "width: 320",
            "cam_front 640x480, cam_wrist 640x480, where rig koch has cam_front 320x",
        ),
        ("cameras", "cam_wrist", "cam_hand", "cam_wrist 640x480, where rig koch has cam_hand 640x480"),
        ("rate", "rate_hz: 50", "rate_hz: 25", "50 Hz, where rig koch has 25 Hz"),
    ],
)
def test_a_dataset_s_episodes_are_of_one_kind(tmp_path: Path, what: str, old: str, new: str, said: str) -> None:
    dataset = f"dataset:={tmp_path / 'data'}"
    record(tmp_path / "data", load_rig("koch"))
    folder = lab(tmp_path)
    check("collect", f"rig:={folder}", "task:=wave", dataset)
    assert (
        "have other joints: main_shoulder_pan, main_shoulder_lift, main_elbow_flex and 3 more, where rig sim has"
    ) in refused("collect", dataset)
    for file in ("rig.yaml", "hardware.yaml"):
        (folder / file).write_text((folder / file).read_text().replace(old, new))
    assert f"have other {what}: {said}" in refused("collect", f"rig:={folder}", "task:=wave", dataset)


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
    rig = (f"rig:={lab(tmp_path)}", "task:=wave", f"dataset:={tmp_path}/data")
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
    assert said.endswith(f"holds training runs, and is none; name one of the runs in it: {tmp_path}/runs/act")
    for seed in (0, 1):
        (tmp_path / f"sweep/size_1/seed_{seed}").mkdir(parents=True)
        (tmp_path / f"sweep/size_1/seed_{seed}/config.json").touch()
    said = refused("deploy", data, f"policy:={tmp_path}/sweep")
    assert said.endswith(f"in it: {tmp_path}/sweep/size_1/seed_0, {tmp_path}/sweep/size_1/seed_1")
    episode = record(tmp_path / "data", load_rig("koch"))
    check("replay", data, f"episode:={episode}", f"rig:={lab(tmp_path)}")
    assert re.search(
        "recorded on another rig .koch. than sim; joints differ: ", refused("replay", data, f"episode:={episode}")
    )
    assert "not an episode" in refused("replay", data, f"episode:={tmp_path}")


def test_weights_that_are_not_there_are_refused_before(tmp_path: Path) -> None:
    run, given = tmp_path / "run", (f"dataset:={tmp_path}/again", f"policy:={tmp_path}/run", "weights:=best")
    (run / "checkpoint").mkdir(parents=True)
    for file in ("config.json", "checkpoint/last.safetensors"):
        (run / file).touch()
    assert refused("deploy", *given).startswith(f"{run}: no checkpoint was the best: ")
    assert refused("deploy", *given).endswith("use weights:=last")
    check("deploy", *given[:2])
    (run / "checkpoint/best.safetensors").touch()
    check("deploy", *given)


def test_a_real_rig_is_there_and_well_described_before_it_starts(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    check("teleop", f"rig:={folder}")
    (folder / "devices/leader_main").unlink()
    with pytest.raises(
        Fault, match=f"no {folder}/devices/leader_main; is it plugged in. il-robot doctor --rig {folder}"
    ):
        check("teleop", f"rig:={folder}")
    (folder / "hardware.yaml").open("a").write("bauds: 1\n")
    assert "bauds" in refused("teleop", f"rig:={folder}")


def test_a_dataset_that_could_not_be_made_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to("/media/unplugged")
    for dataset in (tmp_path / "disk", tmp_path / "disk" / "cube"):
        said = f"dataset:={dataset}: {tmp_path / 'disk'} is a link to /media/unplugged, and that is not there"
        assert refused("collect", f"dataset:={dataset}") == said


def test_who_has_no_name_can_record(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # as in a container that was given one
    assert login() == "user 4000000"


def test_ros_needs_a_place_for_its_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROS_LOG_DIR", "ROS_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    data = f"dataset:={tmp_path}"
    assert refused("collect", data) == "HOME is not set, where ROS 2 keeps its logs; set it, or ROS_LOG_DIR"
    monkeypatch.setenv("HOME", "/proc")
    assert "/proc/.ros/log: ROS 2 cannot keep its logs there: " in refused("collect", data)
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "logs"))
    check("collect", data)
