"""The graphs are plain data: which processes, with which arguments, and one line for every mistake."""

from __future__ import annotations

import ast
import getpass
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_step import record

from calibration.rig_file import RIGS, load_rig
from hardware.emulated_lab import write_lab
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput
from il_robot_ros.graph import GRAPHS, graph
from il_robot_ros.graph_process import Process
from il_robot_ros.launch_arguments import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, dict[str, str]]:
    """What each graph must be given."""
    (tmp_path / "config.json").touch()
    return {
        "collect": {"dataset": "data"},
        "deploy": {"dataset": "data", "policy": str(tmp_path)},
        "replay": {"dataset": "data", "episode": str(tmp_path)},
        "teleop": {},
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_builds_from_its_required_arguments(name: str, arguments: dict[str, dict[str, str]]) -> None:
    processes = graph(name).processes(arguments[name])
    names = [process.name for process in processes]
    assert len(set(names)) == len(names)
    if name == "teleop":  # only for real rigs, without a recorder
        assert names == ["arms", "cameras", "pedal", "control"]
    else:
        assert {"sim", "pedal", "control", "recorder"} <= set(names)
        assert sum(process.ends_run for process in processes) == 1
    for process in processes:
        (file,) = (ROOT / "ros2_ws/src/il_robot_ros/il_robot_ros").glob(f"{process.name}.py")
        assert process.command[:4] == [sys.executable, "-m", "il_robot_ros", file.stem]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_parameter_given_is_one_the_node_declares(name: str, arguments: dict[str, dict[str, str]]) -> None:
    for process in graph(name).processes(arguments[name]):
        source = ast.parse((ROOT / f"ros2_ws/src/il_robot_ros/il_robot_ros/{process.name}.py").read_text())
        (declared,) = (
            {str(getattr(field.target, "id", "")) for field in node.body if isinstance(field, ast.AnnAssign)}
            for node in source.body
            if isinstance(node, ast.ClassDef) and node.name == "Parameters"
        )
        assert set(process.parameters) <= declared | {"use_sim_time"}


@pytest.mark.parametrize(
    ("rig", "said", "told"),
    [
        ("sim", {}, ("transfer_cube", "scripted")),
        ("aloha", {"task": "fold towel"}, ("fold towel", getpass.getuser())),
        ("aloha", {"task": "fold towel", "operator": "mara"}, ("fold towel", "mara")),
    ],
)
def test_an_episode_of_a_real_rig_is_never_called_simulated(
    rig: str, said: dict[str, str], told: tuple[str, str]
) -> None:
    processes = graph("collect").processes({"rig": rig, "dataset": "data", **said})
    (recorder,) = (process for process in processes if process.name == "recorder")
    assert (recorder.parameters["task"], recorder.parameters["operator"]) == told


@pytest.mark.parametrize("task", [{}, {"task": ""}, {"task": " "}])
@pytest.mark.parametrize("name", ["collect", "deploy"])
def test_what_is_done_on_a_real_rig_is_asked_for(
    name: str, task: dict[str, str], arguments: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(BadInput, match=r"^rig koch: missing task:=\.\.\. \(what is being done, such as fold_towel\)"):
        graph(name).processes({**arguments[name], "rig": "koch", **task})


def test_a_replay_on_a_real_rig_is_called_as_its_episode(tmp_path: Path) -> None:
    episode = record(tmp_path / "recorded", load_rig("koch"))
    given_ = {"rig": "koch", "dataset": "data", "episode": str(episode)}
    recorder = {process.name: process for process in graph("replay").processes(given_)}["recorder"]
    assert recorder.parameters["task"] == Episode(episode).info.task == "wave"


def test_no_policy_drives_a_rig_that_nobody_can_take_over(tmp_path: Path, arguments: dict[str, dict[str, str]]) -> None:
    text = (RIGS / "sim" / "rig.yaml").read_text()
    (tmp_path / "rig.yaml").write_text(text.replace("takeover: 3", "takeover: null"))
    assert load_rig(str(tmp_path)).pedal.takeover is None
    graph("collect").processes({**arguments["collect"], "rig": str(tmp_path)})
    with pytest.raises(BadInput, match="takeover is null in rig"):
        graph("deploy").processes({**arguments["deploy"], "rig": str(tmp_path)})


@pytest.mark.parametrize(
    ("said", "drive", "recorded"), [({}, "last", ""), ({"weights": "best"}, "best", ", best weights")]
)
def test_the_policy_drives_with_the_weights_asked_for_and_the_episode_tells_which(
    said: dict[str, str], drive: str, recorded: str, arguments: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    processes = {process.name: process for process in graph("deploy").processes({**arguments["deploy"], **said})}
    assert processes["policy"].parameters["weights"] == drive
    assert processes["recorder"].parameters["policy"] == f"{tmp_path}{recorded}"


@pytest.mark.parametrize("name", sorted(set(GRAPHS) - {"teleop"}))
def test_mistakes_are_one_line_with_the_nearest_word(name: str, arguments: dict[str, dict[str, str]]) -> None:
    good = arguments[name]
    wrong = {
        "datset": ({**good, "datset": "x"}, "did you mean 'dataset'"),
        "dataset missing": ({key: value for key, value in good.items() if key != "dataset"}, "missing dataset:=..."),
        "speed": ({**good, "speed": "2"}, "needs use_sim_time:=true"),
        "speed range": ({**good, "speed": "-1", "use_sim_time": "true"}, "above 0"),
        "speed nan": ({**good, "speed": "nan", "use_sim_time": "true"}, "above 0"),
        "truth": ({**good, "use_sim_time": "True"}, "allowed: true, false"),
        "rig": ({**good, "rig": "smi"}, "did you mean 'sim'"),
        "task": ({**good, "task": "transfer_cub"}, "did you mean 'transfer_cube'"),
    }
    if name == "collect":
        wrong["seed of evaluations"] = ({**good, "seed": "1000000"}, "allowed: below 1000000")
    for given_, words in wrong.values():
        with pytest.raises(BadInput) as error:
            graph(name).processes(given_)
        assert words in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "given_", "words"),
    [
        ("teleop", {"rig": "sim"}, "is simulated: nobody is at its leaders"),
        ("teleop", {"rig": "aloa"}, "did you mean 'aloha'"),
        ("collect", {"episodes": "3.5"}, "episodes:=3.5; allowed: a whole number"),
        ("collect", {"episodes": "-1"}, "episodes:=-1; allowed: a whole number, at least 0"),
        ("collect", {"seed": "-7"}, "seed:=-7; allowed: a whole number, at least 0"),
        ("deploy", {"seed": str(2**63)}, f"seed:={2**63}; allowed: a whole number, at least 0 and below 2^63"),
        ("collect", {"style": "humn"}, "did you mean 'human'"),
        ("deploy", {"execution": "ensembel"}, "did you mean 'ensemble'"),
        ("deploy", {"prefer": "new"}, "did you mean 'newest'? allowed: newest, oldest"),
        ("deploy", {"m": "-1"}, "m -1.0; allowed: 0 to 100"),
        ("deploy", {"execute": "0"}, "execute:=0; allowed: a whole number, at least 1"),
        (
            "deploy",
            {"execution": "chunk", "execute": "5"},
            "execute 5: has no effect with execution chunk; allowed with receding",
        ),
        ("deploy", {"divice": "cuda"}, "did you mean 'device'"),
        ("deploy", {"precision": "bf61"}, "precision:=bf61; did you mean 'bf16'? allowed: bf16, fp32"),
        ("deploy", {"weights": "bets"}, "weights:=bets; did you mean 'best'? allowed: best, last"),
        ("deploy", {"compile": "yes"}, "compile:=yes; allowed: true, false"),
        ("deploy", {"policy": "/nowhere"}, "is not a folder; allowed: a run of il-robot train"),
        ("replay", {"episode": "/nowhere"}, "is not a folder; allowed: an episode"),
    ],
)
def test_wrong_values_say_what_is_allowed(
    name: str, given_: dict[str, str], words: str, arguments: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(BadInput, match=re.escape(words)):
        graph(name).processes({**arguments[name], **given_})


def test_an_unknown_graph_and_a_pair_without_a_value_are_refused() -> None:
    with pytest.raises(BadInput, match="did you mean 'deploy'"):
        graph("depoy")
    for pair in ("dataset", "dataset=x", ":=x", ""):
        with pytest.raises(BadInput, match="allowed: key:=value"):
            parse([pair])
    with pytest.raises(BadInput, match="'episodes:=2': episodes:=1 was given before; allowed: once"):
        parse(["episodes:=1", "episodes:=2"])
    assert parse(["dataset:=a:=b", "operator:="]) == {"dataset": "a:=b", "operator": ""}


@settings(suppress_health_check=[HealthCheck.too_slow])  # the alphabet of all texts is made at its first use
@given(st.dictionaries(st.sampled_from("abc"), st.one_of(st.text(), st.integers(), st.booleans(), st.floats(-1, 1))))
def test_a_command_carries_every_value_with_its_type(parameters: dict[str, str | int | float | bool]) -> None:
    command = Process("sim", parameters).command
    pairs = [word for flag, word in itertools.pairwise(command) if flag == "-p"]
    told = {key: json.loads(value) for key, value in (pair.split(":=", 1) for pair in pairs)}
    assert told == parameters
    assert {key: type(value) for key, value in told.items()} == {key: type(value) for key, value in parameters.items()}


LAUNCH_STAND_IN = '''
"""Stands for ROS 2's launch where it is not installed: takes down what a launch file describes."""
import json, sys, types

class Entity:
    def __init__(self, *arguments, **named):
        self.arguments, self.named = arguments, named

class Context:
    is_shutdown = False
    given = {}

class LaunchConfiguration(Entity):
    def perform(self, context):
        return context.given[self.arguments[0]]

named = {
    "launch": ("LaunchDescription", "LaunchContext", "LaunchDescriptionEntity"),
    "launch.actions": ("DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "OpaqueFunction",
                       "RegisterEventHandler", "TimerAction"),
    "launch.event_handlers": ("OnProcessExit", "OnShutdown"),
    "launch.events": ("Shutdown",),
    "launch.events.process": ("ProcessExited",),
    "launch.substitutions": (),
}
for module, classes in named.items():
    made = sys.modules[module] = types.ModuleType(module)
    for name in classes:
        setattr(made, name, type(name, (Entity,), {}))
sys.modules["launch.substitutions"].LaunchConfiguration = LaunchConfiguration

from il_robot_ros import one_session

one_session.LOOK_S = 0.01  # nobody is there

file, given = sys.argv[1], json.loads(sys.argv[2])
scope = {}
exec(compile(open(file).read(), file, "exec"), scope)
*declared, function = scope["generate_launch_description"]().arguments[0]
for argument in declared:
    default = argument.named["default_value"]
    Context.given[argument.arguments[0]] = given.get(argument.arguments[0], default)
entities = function.named["function"](Context)
started = [entity.named for entity in entities if type(entity).__name__ == "ExecuteProcess"]
print(json.dumps({"declared": [a.arguments[0] for a in declared],
                  "processes": [[p["name"], p["cmd"], p["additional_env"]] for p in started]}))
'''


@pytest.mark.parametrize("name", GRAPHS)
def test_a_launch_file_starts_what_il_robot_launch_starts(
    name: str, arguments: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    from il_robot_ros.runner import ENVIRONMENT

    if name == "teleop":
        arguments[name]["rig"] = str(tmp_path / "lab")
        ports = write_lab("koch", tmp_path / "lab")
        for arm in ("follower_main", "leader_main"):
            (ports / arm).touch()
    if name == "replay":
        arguments[name]["episode"] = str(record(tmp_path / "recorded", load_rig("sim")))
    stand_in = tmp_path / "launch_stand_in.py"
    stand_in.write_text(LAUNCH_STAND_IN)
    file = ROOT / f"launch/{name}.launch.py"
    done = subprocess.run(
        [sys.executable, str(stand_in), str(file), json.dumps(arguments[name])],
        capture_output=True,
        text=True,
        env={**os.environ, "ROS_DOMAIN_ID": str(100 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
    )
    assert done.returncode == 0, done.stderr
    described = json.loads(done.stdout)
    assert described["declared"] == [argument.name for argument in graph(name).arguments]
    # The emulated pedal's link has the number of the process that launches.
    own = re.compile(rf"il-robot-pedal-{os.getpid()}\b")
    wanted = [
        [process.name, [own.sub("il-robot-pedal-N", word) for word in process.command]]
        for process in graph(name).processes(arguments[name])
    ]
    there = [
        [process, [re.sub(r"il-robot-pedal-\d+", "il-robot-pedal-N", word) for word in command]]
        for process, command, _ in described["processes"]
    ]
    assert there == wanted
    for _, _, environment in described["processes"]:
        assert environment.items() >= ENVIRONMENT.items()
