"""The command line as a person meets it: help with an example, one line for what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from il_robot.cli import COMMANDS, main
from il_robot_ros.graph import GRAPHS


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of one command."""
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    out, err = capsys.readouterr()
    return code, re.sub(r"\x1b\[[0-9;]*m", "", out), re.sub(r"\x1b\[[0-9;]*m", "", err)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example_and_without_the_spelling_of_a_type(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, out, _ = said(capsys, *command.split(), "--help")
    assert code == 0
    examples = [line for line in out.splitlines() if line.strip().startswith(f"il-robot {command}")]
    assert examples, f"the help of {command} shows no example:\n{out}"
    options = "usage: " + out.partition("usage: ")[2].partition("\n\n")[0] + out[out.find("\n options") :]
    leaks = re.findall(r"None|True|False|\bSTR\b|\[\[|\{fixed\}|\(default: (?:'')?\)|--no-\S+|\}\|", options)
    assert leaks == [], out


@pytest.mark.parametrize("command", ["info", "validate", "recover", "prune"])
def test_an_error_is_json_for_scripts_that_asked_for_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    code, out, err = said(capsys, "dataset", command, str(tmp_path / "nowhere"), "--json")
    assert code == 2
    assert err == f"error: {json.loads(out)['error']}\n"
    assert json.loads(out) == {"error": f"{tmp_path / 'nowhere'}: no such dataset"}
    assert said(capsys, "dataset", command, str(tmp_path / "nowhere"))[1] == ""


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert all(f"il-robot {command} " in out for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["launch", "colect"], ["'colect'", "did you mean 'collect'"]),
        (["launch", "collect"], ["missing dataset"]),
        (["launch", "collect", "datset:=x"], ["'datset'", "did you mean 'dataset'"]),
        (["launch", "collect", "dataset=x"], ["'dataset=x'", "key:=value"]),
        (["launch", "collect", "dataset:=x", "episodes:=three"], ["episodes:=three", "whole number"]),
        (["launch", "collect", "dataset:=x", "rig:=simm"], ["'simm'", "did you mean 'sim'"]),
        (["launch", "deploy", "dataset:=x", "policy:=/nowhere"], ["policy:=/nowhere", "run of il-robot train"]),
        (["launch", "replay", "dataset:=x", "episode:=/nowhere"], ["episode:=/nowhere", "*.zarr"]),
        (["train", "act", "x", "--out", "y", "--steps", "ten"], ["--steps ten: a whole number is needed"]),
        (["train", "act", "x", "--out", "y", "--seeds", "1", "a"], ["--seeds '1' 'a': whole numbers are needed"]),
        (["train", "act", "x", "--out", "y", "--seeds", "0,1"], ["--seeds '0,1': whole numbers are needed"]),
        (["train", "act", "x", "--out", "y", "--weights", "1", "a"], ["--weights '1' 'a': numbers are needed"]),
        (["train", "act", "x", "--out", "y", "--size", "1", "a"], ["--size '1' 'a': two whole numbers are needed"]),
        (["dataset", "merge", "x", "", "--out", "y"], ["SOURCES 'x' '': paths are needed, and one is empty"]),
        (["train", "act", "x", "--out", "y", "--learning-rate", "a"], ["--learning-rate a: a number is needed"]),
        (["train", "atc", "x", "--out", "y"], ["POLICY atc", "did you mean 'act'"]),
        (["train", "act", "x"], ["missing: --out; usage: il-robot train POLICY DATASETS --out OUT [OPTIONS]"]),
        (["emulate", "hand", "lab"], ["missing: DOES; usage: il-robot emulate hand LAB DOES [OPTIONS]"]),
        (["doctor", "lab"], ["not known: lab; usage: il-robot doctor [OPTIONS]"]),
        (["dataset", "merge", "x", "--ot", "y"], ["--ot y", "did you mean '--out'"]),
        (["dataset", "validate", "x", "--jsn"], ["--jsn", "did you mean '--json'"]),
        (["train", "bc", "x", "--out", "y", "--seeds", "0", "--seeds", "1"], ["--seeds is given 2 times"]),
        (["train", "bc", "x", "--out=y", "--learning_rate", "1", "--learning-rate=2"], ["--learning-rate is given 2"]),
        (["dataset", "info", "x", "--json", "--json"], ["--json is given 2 times"]),
        (["train", "act", "x", "--out", "y", "--treads", "2"], ["--treads 2", "did you mean '--threads'"]),
        (["train", "act", "x", "--out", "y", "--steps"], ["--steps: a value is missing"]),
        (["sim", "collect", "--out", "x", "--episodes", "1.5"], ["--episodes 1.5: a whole number is needed"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    code, _, err = said(capsys, *arguments)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("domain", ["233", "-1", "mine"])
def test_a_ros_domain_that_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    code, _, err = said(capsys, "launch", "collect", "dataset:=x")
    allowed = "a whole number from 0 to 101, to 232 where the ports are free"
    assert (code, err) == (2, f"error: ROS_DOMAIN_ID={domain}; allowed: {allowed}\n")


@pytest.mark.parametrize("arguments", [["lanch"], ["launch"], ["launch", "collect", "--no-such-option"]])
def test_a_mistyped_command_line_ends_with_2_and_without_a_traceback(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, err = said(capsys, *arguments)
    assert code == 2
    assert "Traceback" not in out + err


def test_the_arguments_of_a_graph_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "launch", "replay", "--show-args")
    assert code == 0
    assert "'episode':" in out and "(required)" in out and "(default: 'sim')" in out


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_help_of_a_graph_tells_of_every_argument(capsys: pytest.CaptureFixture[str], graph: str) -> None:
    code, out, _ = said(capsys, "launch", graph, "--help")
    assert code == 0
    for argument in GRAPHS[graph].arguments:
        (line,) = (line for line in out.splitlines() if line.strip().startswith(f"{argument.name}:="))
        assert argument.description in line
        assert line.endswith("(required)") if argument.default is None else f":={argument.default} " in line
    assert said(capsys, "launch", f"{graph}s", "--help")[0] == 2


def test_help_needs_neither_ros_nor_torch_nor_mujoco() -> None:
    program = (
        "import sys; from il_robot.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'rclpy', 'torch', 'mujoco', 'zarr', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'help imports {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr


def test_ctrl_c_while_libraries_load_is_an_interruption_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "il_robot.cli", "train", "act", str(tmp_path), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as command:
        while "libtorch" not in Path(f"/proc/{command.pid}/maps").read_text():
            assert command.poll() is None, "it ended before it had loaded"
            time.sleep(0.01)
        command.send_signal(signal.SIGINT)
        assert command.wait(30) == 130
        assert command.stdout is not None
        assert command.stdout.read() == "interrupted\n"


TAKE_A_PATH = [
    *([*command, "{}"] for command in (["dataset", word] for word in ("info", "validate", "recover", "plot"))),
    ["dataset", "merge", "{}", "--out", "o"],
    ["dataset", "split", "{}", "--out", "o"],
    ["dataset", "prune", "{}", "--outcome", "failure"],
    ["dataset", "trim", "{}", "--out", "o"],
    ["dataset", "view", "{}", "--out", "o.rrd"],
    ["dataset", "import", "aloha", "{}", "o"],
    ["dataset", "import", "lerobot", "{}", "o"],
    *(["dataset", "export", to, "{}", "o"] for to in ("aloha", "lerobot", "mcap")),
    ["sim", "collect", "--out", "o", "--rig", "{}"],
    ["sim", "collect", "--episodes", "1", "--cameras", "--out", "{}"],
    ["emulate", "{}"],
    ["emulate", "o", "--rig", "{}"],
    ["emulate", "hand", "{}", "straight"],
    *(["calibrate", part, "--rig", "{}"] for part in ("arms", "cameras", "grippers", "latency")),
    ["calibrate", "arms", "--rig", "aloha", "--out", "{}"],
    ["calibrate", "board", "--out", "{}"],
    ["report", "{}"],
    ["runs", "{}"],
    ["evaluate", "{}"],
    ["train", "bc", "{}", "--out", "o"],
    *(["launch", *words] for words in (["teleop", "rig:={}"], ["collect", "dataset:={}"])),
    *(["launch", *words, "dataset:=o"] for words in (["deploy", "policy:={}"], ["replay", "episode:={}"])),
]


@pytest.mark.parametrize("command", TAKE_A_PATH, ids=" ".join)
def test_a_path_that_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "logs"))
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    for bad in ("file/x", "dangling/x", "n" * 300, ""):
        code, _, err = said(capsys, *(word.replace("{}", bad) for word in command))
        assert code in (1, 2), (bad, err)
        assert err.startswith("error: ") and err.count("\n") == 1, (bad, err)
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "dangling", "logs"}


def test_an_empty_path_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "dataset", "merge", "data", "--out", "")
    assert code == 2
    assert err == "error: il-robot dataset merge: --out: a path is needed, and it is empty; this folder is .\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PermissionError(13, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (OSError(36, "File name too long", "n" * 300), 2, f"{'n' * 40}...{'n' * 20}: File name too long"),
        (OSError(28, "No space left on device", "a/b"), 1, "a/b: No space left on device"),
        (OSError("a library's own\nwords"), 1, "a library's own"),
    ],
)
def test_what_the_system_says_unawaited_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, line: str
) -> None:
    def broken(words: list[str]) -> int:
        raise error

    monkeypatch.setattr("il_robot.cli._run", broken)
    assert said(capsys, "runs", "--json") == (code, json.dumps({"error": line}) + "\n", f"error: {line}\n")


def test_without_a_home_nothing_is_said_above_an_error(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "MPLCONFIGDIR")}
    command = [sys.executable, "-m", "il_robot.cli", "dataset", "plot", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, env={**environment, "HOME": "/proc"})
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/nowhere/zarr.json: No such file or directory: not an episode\n"
