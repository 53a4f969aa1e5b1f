"""Every command of the README runs, as it stands there but for smaller numbers, in the order it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from il_robot_ros.graph import graph
from il_robot_ros.launch_arguments import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALLER = {
    "episodes:=3": "episodes:=1",
    "--episodes 47": "--episodes 6 --cameras cam_high --size 48 64",
    "--episodes 50": "--episodes 2",
}
"""What makes a command quick and leaves it the same command."""
ELSEWHERE = ("sudo ", "cp ", ". .venv", "make ", "ros2 ")
"""Commands of the shell, of make (tested below) and of an installed ROS."""
ROBOT = re.compile(r"aloha|data/towel")
"""Needs a real robot (or its data): what can be checked without one is checked below."""


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(il-robot [^`]*)`", README)
    return [line for line in [*lines, *(" ".join(text.split()) for text in inline)] if line]


def test_make_knows_every_target_of_the_readme() -> None:
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def run(line: str, folder: Path) -> str:
    for big, small in SMALLER.items():
        line = line.replace(big, small)
    if "il-robot train" in line and "--resume" not in line:
        line += " --steps 20"
    if "EPISODE" in line:
        line = line.replace("EPISODE", str(min((folder / "data/cube").glob("2*.zarr"))))
    words = shlex.split(line)
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(20 + os.getpid() % 80),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    done = subprocess.run(
        [sys.executable, "-m", "il_robot.cli", *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        stdin=subprocess.DEVNULL,
    )
    # A loaded machine may lose frames, which validate reports with 1; anything else must succeed.
    allowed = (0, 1) if "validate" in line else (0,)
    assert done.returncode in allowed, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.ros
def test_every_command_runs_in_order(tmp_path: Path) -> None:
    lines = [line for line in commands() if line.startswith("il-robot ") and not ROBOT.search(line)]
    assert len(lines) >= 8, "the README has lost its commands"
    said = {line: run(line, tmp_path) for line in lines}
    replayed = next(text for line, text in said.items() if "launch replay" in line)
    assert "episode 1: held" in replayed
    assert list((tmp_path / "data/corrections").glob("*.zarr")), "the deployed episode was not recorded"


@pytest.mark.parametrize("line", [line for line in commands() if "--rig aloha" in line])
def test_a_robot_that_is_not_there_is_said_in_words(line: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "il_robot.cli", *shlex.split(line)[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "follower_left" in done.stdout + done.stderr


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("ros2 launch")])
def test_launch_lines_name_files_and_arguments_that_exist(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, file, *pairs = shlex.split(line)
    assert (ROOT / file).is_file()
    (tmp_path / "runs/towel").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    names = [process.name for process in graph(Path(file).name.split(".")[0]).processes(parse(pairs))]
    assert {"arms", "cameras", "pedal", "control", "recorder"} <= set(names)


def left_behind() -> set[str]:
    """What the commands of every page write into the folder that they are typed in."""
    pages = [
        README,
        *(page.read_text(encoding="utf-8") for page in (ROOT / "hardware/README.md", *ROOT.glob("docs/*.md"))),
    ]
    option = r"(?:--out|--picture|--video) +|dataset:=|il-robot emulate (?!hand)|dataset (?:import|export) \w+ +\S+ +"
    return {found for page in pages for found in re.findall(rf"(?:{option})([\w./]+)", page)}


def test_git_ignores_what_the_commands_leave_behind() -> None:
    names = {name for name in left_behind() if not name.startswith("/")}
    assert {"data/cube", "runs/act", "exported/aloha", "lab", "episode.rrd"} <= names
    folders = {f"{name}/" if "." not in Path(name).name else name for name in names} | {"board.png"}
    done = subprocess.run(["git", "check-ignore", *folders], cwd=ROOT, capture_output=True, text=True)
    assert folders - set(done.stdout.split()) == set()


def test_nothing_in_the_readme_is_left_out() -> None:
    others = [line for line in commands() if not line.startswith("il-robot ")]
    assert all(line.startswith(ELSEWHERE) for line in others), others
