"""``il-robot launch``: the graphs of this package where there is no ``ros2`` command."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import tyro
from tyro.conf import Positional

from il_robot.errors import BadInput
from il_robot_ros.before_start import check_inputs
from il_robot_ros.graph import graph as named
from il_robot_ros.launch_arguments import listed, parse


def launch(
    graph: Annotated[Positional[str], tyro.conf.arg(metavar="GRAPH")],
    arguments: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME:=VALUE ...]")] = (),
    /,
    show_args: bool = False,
) -> int:
    """Start a ROS 2 graph where there is no `ros2` command: teleop, collect, deploy or replay.

    Starts exactly what `ros2 launch launch/GRAPH.launch.py` starts. `il-robot launch GRAPH --help` lists what a graph
    takes: each NAME:=VALUE with its meaning and its default.

    Examples:
        il-robot launch collect rig:=sim task:=transfer_cube dataset:=data/cube episodes:=3
        il-robot launch deploy policy:=runs/act dataset:=data/corrections episodes:=1
        il-robot launch replay episode:=data/cube/EPISODE.zarr dataset:=data/replays

    Args:
        graph: teleop, collect, deploy or replay.
        arguments: NAME:=VALUE pairs, as for `ros2 launch`.
        show_args: list the arguments as `ros2 launch --show-args` does, and stop.
    """
    wanted = named(graph)
    if show_args:
        for argument in wanted.arguments:
            default = "required" if argument.default is None else f"default: {argument.default!r}"
            print(f"    '{argument.name}':\n        {argument.description}\n        ({default})")
        return 0
    processes = wanted.processes(parse(arguments))
    check_inputs(processes)
    if importlib.util.find_spec("rclpy") is None:
        raise BadInput("ROS 2 is not here: install the wheels (pip install 'il-robot[ros]') or source your ROS 2")
    from il_robot_ros.one_session import claim_session
    from il_robot_ros.runner import Runner

    with claim_session(processes):
        return Runner(processes).run()


def describe(graph: str) -> int:
    """Print what a graph is and takes. Raises BadInput when there is none of that name."""
    wanted = named(graph)
    print(f"usage: il-robot launch {wanted.name} [NAME:=VALUE ...]\n\n{wanted.summary[0].upper()}{wanted.summary[1:]}.")
    print(f"\n{listed(wanted.arguments)}")
    return 0
