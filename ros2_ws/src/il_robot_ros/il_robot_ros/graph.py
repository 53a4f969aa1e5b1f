"""Which processes make a run, with which arguments: plain data.

``ros2 launch`` and ``il-robot launch`` start exactly the same from it.

No ROS import here: the graph can be read, listed and tested without it.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.rig_file import load_rig
from il_robot.control.execution import Execution
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, nearest
from il_robot.sim.tasks import DEMONSTRATION_SEEDS, TASKS
from il_robot_ros.graph_process import Process, Value
from il_robot_ros.launch_arguments import (
    DATASET,
    DEVICE,
    EPISODE,
    EPISODES,
    EXECUTION,
    FRESH_SEED,
    KNOCK,
    OPERATOR,
    PEDAL,
    POLICY,
    RIG,
    RIG_PEDAL,
    SEED,
    SIM_TIME,
    SPEED,
    STYLE,
    STYLES,
    TASK,
    TASK_AGAIN,
    VERBOSE,
    Argument,
    choice,
    device,
    integer,
    login,
    number,
    pedal,
    truth,
)

PEDAL_LINK = "il-robot-pedal-"
"""How the link begins behind which the scripted operator's pedal is; it comes with the run."""


@dataclass(frozen=True)
class Graph:
    """A run that can be launched."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    build: Callable[[Mapping[str, str]], tuple[Process, ...]]

    def processes(self, given: Mapping[str, str]) -> tuple[Process, ...]:
        """The processes for these arguments. Raises BadInput on unknown, missing and wrong ones."""
        names = [argument.name for argument in self.arguments]
        for name in given:
            if name not in names:
                raise BadInput(f"launch {self.name}: no argument {name!r}; {nearest(name, names)}")
        missing = [a for a in self.arguments if a.default is None and not given.get(a.name)]
        if missing:
            listed = "; ".join(f"{argument.name}:=... ({argument.description})" for argument in missing)
            raise BadInput(f"launch {self.name}: missing {listed}")
        processes = self.build({a.name: given.get(a.name, a.default or "") for a in self.arguments})
        others = " ".join(process.name for process in processes if process.name != "arms")
        return tuple(
            replace(process, parameters={**process.parameters, "after": others}) if process.name == "arms" else process
            for process in processes
        )


def _collect(given: Mapping[str, str]) -> tuple[Process, ...]:
    if integer(given, "seed") >= DEMONSTRATION_SEEDS:
        raise BadInput(f"seed:={given['seed']}; allowed: below {DEMONSTRATION_SEEDS}, where evaluations start")
    return (
        *_rig_processes(given, frees_leaders=True),
        _control(given, autonomous=False),
        _recorder(given, policy=""),
        *_puppeteer(given, role="demonstrate", style=choice(given, "style", STYLES)),
    )


def _deploy(given: Mapping[str, str]) -> tuple[Process, ...]:
    options = {"m": number(given, "m"), "prefer": given["prefer"], "execute": integer(given, "execute", least=1)}
    # A launch file does not tell a default from the same value asked for.
    executed = Execution.asked(
        given["execution"], **{key: value for key, value in options.items() if value != getattr(Execution, key)}
    )
    run = _folder(given, "policy", "a run of il-robot train")
    return (
        *_rig_processes(given),
        Process("policy", {**_shared(given), "run": run, "device": device(given)}),
        _control(
            given,
            autonomous=True,
            execution=executed.how,
            m=executed.m,
            prefer=executed.prefer,
            execute=executed.execute,
        ),
        _recorder(given, policy=run),
        *_puppeteer(given, role="supervise", knock_at=integer(given, "knock_at", least=-1)),
    )


def _teleop(given: Mapping[str, str]) -> tuple[Process, ...]:
    if _simulated(given):
        raise BadInput(f"rig:={given['rig']} is simulated: nobody is at its leaders; use launch collect, or a real rig")
    given = {**given, "use_sim_time": "false", "speed": "1.0", "seed": "0"}
    return (*_rig_processes(given, frees_leaders=True), _control(given, autonomous=False, recorded=False))


def _replay(given: Mapping[str, str]) -> tuple[Process, ...]:
    episode = _folder(given, "episode", "an episode (a folder *.zarr)")
    if inside := sorted(Path(episode).glob("*.zarr")):
        raise BadInput(f"episode:={given['episode']} is a dataset; name one of its episodes: {inside[0]}")
    given = {**given, "episodes": "1", "seed": "0"}
    if not given["task"] and not _simulated(given):
        given["task"] = Episode(Path(episode)).info.task
    return (
        *_rig_processes(given),
        Process("replay", {**_shared(given), "episode": episode}),
        _control(given, autonomous=True, execution="receding", execute=1),
        _recorder(given, policy=f"replay of {Path(episode).name}"),
        *_puppeteer(given, role="supervise", resets=False, corrects=False),
    )


def _shared(given: Mapping[str, str]) -> dict[str, Value]:
    return {"rig": given["rig"], "use_sim_time": truth(given, "use_sim_time")}


def _rig_processes(given: Mapping[str, str], frees_leaders: bool = False) -> tuple[Process, ...]:
    """What stands for the arms, the cameras and the pedal's device: the simulator, or the real ones."""
    shared = _shared(given)
    speed = number(given, "speed")
    if speed != 1.0 and not shared["use_sim_time"]:
        raise BadInput(f"speed:={given['speed']} needs use_sim_time:=true")
    if not 0 < speed <= 100:
        raise BadInput(f"speed:={given['speed']}; allowed: above 0, at most 100")
    wanted, verbose, seed = pedal(given), truth(given, "verbose"), integer(given, "seed")
    if _simulated(given):
        task = choice({**given, "task": _whose(given)["task"]}, "task", TASKS)
        simulator = Process("sim", {**shared, "task": task, "seed": seed, "speed": speed})
        return simulator, Process("pedal", {**shared, "device": str(_pedal_link()) if wanted == RIG_PEDAL else wanted})
    if shared["use_sim_time"]:
        raise BadInput(f"use_sim_time:=true needs a simulated rig; {given['rig']} is a real one")
    return (
        Process("arms", {**shared, "frees_leaders": frees_leaders, "verbose": verbose}),
        Process("cameras", shared),
        Process("pedal", {**shared, "device": wanted}),
    )


def _simulated(given: Mapping[str, str]) -> bool:
    return load_rig(given["rig"]).simulated


def _pedal_link() -> Path:
    """Where the scripted operator's emulated pedal appears: one per launch, which removes what a kill left of it."""
    link = Path(tempfile.gettempdir()) / f"{PEDAL_LINK}{os.getpid()}"
    atexit.register(link.unlink, missing_ok=True)
    return link


def _control(given: Mapping[str, str], autonomous: bool, **more: Value) -> Process:
    if autonomous and load_rig(given["rig"]).pedal.takeover is None:
        raise BadInput(f"rig {given['rig']}: takeover is null in rig.yaml; no policy drives where nobody takes over")
    return Process("control", {**_shared(given), "autonomous": autonomous, **more})


def _recorder(given: Mapping[str, str], policy: str) -> Process:
    """Where nobody is scripted, it counts the episodes that end the run."""
    episodes = 0 if _simulated(given) else integer(given, "episodes")
    told: dict[str, Value] = {**_whose(given), "dataset": given["dataset"], "policy": policy, "episodes": episodes}
    return Process("recorder", {**_shared(given), **told}, ends_run=episodes > 0)


def _whose(given: Mapping[str, str]) -> dict[str, str]:
    """What an episode's task is and who its operator. A real one must not look simulated, and no dataset unnamed."""
    simulated = _simulated(given)
    if not simulated and not given["task"].strip():
        raise BadInput(f"rig {given['rig']}: missing task:=... (what is being done, such as fold_towel)")
    return {
        "task": given["task"] or "transfer_cube",
        "operator": given["operator"] or ("scripted" if simulated else login()),
    }


def _puppeteer(given: Mapping[str, str], role: str, **more: Value) -> tuple[Process, ...]:
    """The scripted human of a simulated rig: moves the leaders; has the pedal unless somebody else has."""
    if not _simulated(given):
        return ()
    link = str(_pedal_link()) if given["pedal"] == RIG_PEDAL else "-"
    told: dict[str, Value] = {"role": role, "episodes": integer(given, "episodes"), "pedal_link": link}
    return (Process("puppeteer", {**_shared(given), **told, "seed": integer(given, "seed"), **more}, ends_run=True),)


def _folder(given: Mapping[str, str], name: str, what: str) -> str:
    if not Path(given[name]).is_dir():
        raise BadInput(f"{name}:={given[name]} is not a folder; allowed: {what}")
    return str(Path(given[name]).resolve())


_CLOCK = (SIM_TIME, SPEED)
GRAPHS: Mapping[str, Graph] = {
    graph.name: graph
    for graph in (
        Graph(
            "collect",
            "puppeteer the robot and record demonstrations",
            (RIG, TASK, DATASET, EPISODES, SEED, PEDAL, OPERATOR, STYLE, VERBOSE, *_CLOCK),
            _collect,
        ),
        Graph(
            "deploy",
            "let a policy drive, take over with the pedal, record both",
            (
                POLICY,
                RIG,
                TASK,
                DATASET,
                EPISODES,
                FRESH_SEED,
                PEDAL,
                OPERATOR,
                *EXECUTION,
                DEVICE,
                KNOCK,
                VERBOSE,
                *_CLOCK,
            ),
            _deploy,
        ),
        Graph(
            "teleop",
            "puppeteer a real robot without recording",
            (replace(RIG, default="aloha"), PEDAL, VERBOSE),
            _teleop,
        ),
        Graph(
            "replay",
            "send a recorded episode's actions again and record what happens",
            (EPISODE, RIG, TASK_AGAIN, DATASET, PEDAL, OPERATOR, VERBOSE, *_CLOCK),
            _replay,
        ),
    )
}


def graph(name: str) -> Graph:
    """The graph called ``name``. Raises BadInput."""
    if name not in GRAPHS:
        raise BadInput(f"no graph {name!r}; {nearest(name, GRAPHS)}")
    return GRAPHS[name]
