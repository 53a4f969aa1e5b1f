"""Which processes make a run, with which arguments: plain data.

``ros2 launch`` and ``il-robot launch`` start exactly the same from it.

No ROS import here: the graph can be read, listed and tested without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from il_robot.control.execution import Execution
from il_robot.episodes.reader import Episode
from il_robot.errors import BadInput, nearest
from il_robot.sim.tasks import DEMONSTRATION_SEEDS
from il_robot.training.run_folder import WEIGHTS
from il_robot_ros.graph_parts import control, folder, puppeteer, recorder, rig_processes, shared, simulated
from il_robot_ros.graph_process import Process
from il_robot_ros.launch_arguments import (
    COMPUTING,
    DATASET,
    EPISODE,
    EPISODES,
    EXECUTION,
    FRESH_SEED,
    KNOCK,
    OPERATOR,
    PEDAL,
    POLICY,
    RIG,
    SEED,
    SIM_TIME,
    SPEED,
    STYLE,
    STYLES,
    TASK,
    TASK_AGAIN,
    VERBOSE,
    WHICH_WEIGHTS,
    Argument,
    choice,
    computing,
    integer,
    number,
)


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
        *rig_processes(given, frees_leaders=True),
        control(given, autonomous=False),
        recorder(given, policy=""),
        *puppeteer(given, role="demonstrate", style=choice(given, "style", STYLES)),
    )


def _deploy(given: Mapping[str, str]) -> tuple[Process, ...]:
    options = {"m": number(given, "m"), "prefer": given["prefer"], "execute": integer(given, "execute", least=1)}
    # A launch file does not tell a default from the same value asked for.
    executed = Execution.asked(
        given["execution"], **{key: value for key, value in options.items() if value != getattr(Execution, key)}
    )
    run = folder(given, "policy", "a run of il-robot train")
    weights = choice(given, "weights", WEIGHTS)
    return (
        *rig_processes(given),
        Process("policy", {**shared(given), "run": run, "weights": weights, **computing(given)}),
        control(given, autonomous=True, execution=executed.how, **{name: getattr(executed, name) for name in options}),
        recorder(given, policy=run if weights == "last" else f"{run}, {weights} weights"),
        *puppeteer(given, role="supervise", knock_at=integer(given, "knock_at", least=-1)),
    )


def _teleop(given: Mapping[str, str]) -> tuple[Process, ...]:
    if simulated(given):
        raise BadInput(f"rig:={given['rig']} is simulated: nobody is at its leaders; use launch collect, or a real rig")
    given = {**given, "use_sim_time": "false", "speed": "1.0", "seed": "0"}
    return (*rig_processes(given, frees_leaders=True), control(given, autonomous=False, recorded=False))


def _replay(given: Mapping[str, str]) -> tuple[Process, ...]:
    episode = folder(given, "episode", "an episode (a folder *.zarr)")
    if inside := sorted(Path(episode).glob("*.zarr")):
        raise BadInput(f"episode:={given['episode']} is a dataset; name one of its episodes: {inside[0]}")
    given = {**given, "episodes": "1", "seed": "0"}
    if not given["task"] and not simulated(given):
        given["task"] = Episode(Path(episode)).info.task
    return (
        *rig_processes(given),
        Process("replay", {**shared(given), "episode": episode}),
        control(given, autonomous=True, execution="receding", execute=1),
        recorder(given, policy=f"replay of {Path(episode).name}"),
        *puppeteer(given, role="supervise", resets=False, corrects=False),
    )


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
                WHICH_WEIGHTS,
                RIG,
                TASK,
                DATASET,
                EPISODES,
                FRESH_SEED,
                PEDAL,
                OPERATOR,
                *EXECUTION,
                *COMPUTING,
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
