"""The command line: every command, each a thin call into the house. The one place that may import from any floor.

Heavy imports happen inside the commands, so that ``il-robot --help`` is quick and needs no ROS.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro
from tyro.conf import Positional

from il_robot.errors import Fault, IlRobotError

app = tyro.extras.SubcommandApp()
sim = tyro.extras.SubcommandApp()
dataset = tyro.extras.SubcommandApp()


@app.command
def launch(
    graph: Positional[str],
    arguments: Positional[tuple[str, ...]] = (),
    /,
    show_args: bool = False,
) -> int:
    """Start a ROS 2 graph where there is no `ros2` command: collect, deploy or replay.

    Examples:
        il-robot launch collect rig:=sim task:=transfer_cube dataset:=data/cube episodes:=3
        il-robot launch deploy policy:=runs/act dataset:=data/corrections episodes:=1
        il-robot launch replay episode:=data/cube/EPISODE.zarr dataset:=data/replays

    Args:
        graph: collect, deploy or replay.
        arguments: key:=value pairs, as for `ros2 launch`.
        show_args: list the arguments and stop.
    """
    from il_robot_ros import graph as graphs

    wanted = graphs.graph(graph)
    if show_args:
        for argument in wanted.arguments:
            default = "required" if argument.default is None else f"default: {argument.default!r}"
            print(f"    '{argument.name}':\n        {argument.description}\n        ({default})")
        return 0
    processes = wanted.processes(graphs.parse(arguments))
    from il_robot_ros.runner import Runner

    return Runner(processes).run()


app.command(sim, name="sim")
app.command(dataset, name="dataset")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 = done, 1 = a fault or findings, 2 = bad input; errors are one line."""
    try:
        code = app.cli(
            prog="il-robot",
            description="Teach a two-armed robot by puppeteering it: collect, train, evaluate, deploy, take over.",
            args=arguments,
        )
    except IlRobotError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, Fault) else 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
