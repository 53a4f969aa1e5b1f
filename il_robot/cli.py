"""The command line: which words lead to which function. The one place that may import from any floor.

A command's module is imported only when the command is called, so that ``il-robot --help`` needs neither torch
nor ROS. Each function's signature and docstring are its options and its help (tyro).
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from il_robot import __version__
from il_robot.arguments import refuse_repeated, told_in_one_line
from il_robot.counted import counted
from il_robot.errors import BadInput, Fault, IlRobotError, nearest, said_by_the_system
from il_robot.leaving import leave_at_once
from il_robot.option_help import READING, in_words
from il_robot.screen import for_screen

if TYPE_CHECKING:
    from il_robot.sim.collect import Collected

COMMANDS = {
    "demo": ("il_robot.demo:demo", "The whole loop on the simulated rig, ending in a report"),
    "launch": ("il_robot_ros.command:launch", "Start a ROS 2 graph: teleop, collect, deploy or replay"),
    "train": ("il_robot.training.train:train", "Train a policy on demonstrations"),
    "runs": ("il_robot.training.runs:runs", "List training runs and compare them"),
    "evaluate": ("il_robot.training.evaluate:evaluate", "Let a policy drive the simulated rig from fresh starts"),
    "report": ("il_robot.report.command:report", "One page on a whole loop: collected, trained, evaluated, deployed"),
    "doctor": ("hardware.commands:doctor", "Look a rig over before a session: every finding with its cure"),
    "emulate": ("hardware.commands:emulate", "A lab without devices: emulated servos behind the real drivers"),
    "emulate hand": ("hardware.commands:hand", "What a person would do in that lab: poses, pedal, board"),
    "calibrate arms": (
        "hardware.calibrate_commands:calibrate_arms",
        "Measure zeros, directions and gripper ranges, guided",
    ),
    "calibrate cameras": (
        "hardware.calibrate_commands:calibrate_cameras",
        "Find the cameras' intrinsics from a printed board",
    ),
    "calibrate grippers": (
        "hardware.calibrate_commands:calibrate_grippers",
        "Measure only the grippers' ranges, guided",
    ),
    "calibrate latency": ("hardware.calibrate_commands:calibrate_latency", "Measure how late each camera's stamps are"),
    "calibrate board": ("hardware.calibrate_commands:calibrate_board", "Draw that board"),
    "sim collect": ("il_robot.cli:sim_collect", "Record simulated demonstrations faster than real time"),
    "dataset info": ("il_robot.episodes.commands:info", "What a dataset holds"),
    "dataset validate": ("il_robot.episodes.commands:validate", "Every fault of a dataset, one line each"),
    "dataset recover": ("il_robot.episodes.commands:recover", "Complete episodes that a killed recorder left"),
    "dataset plot": ("il_robot.episodes.commands:plot", "Draw an episode into one picture"),
    "dataset merge": ("il_robot.episodes.editing:merge", "Copy episodes of several datasets into one"),
    "dataset split": ("il_robot.episodes.editing:split", "Copy a dataset's episodes into two"),
    "dataset prune": ("il_robot.episodes.pruning:prune", "Take episodes out of a dataset"),
    "dataset trim": ("il_robot.episodes.editing:trim", "Copy episodes without their idle head and tail"),
    "dataset view": ("il_robot.episodes.view:view", "Show an episode in Rerun, or write its .rrd file"),
    "dataset import aloha": ("il_robot.episodes.conversion.commands:import_aloha", "Take in ALOHA HDF5 files"),
    "dataset import lerobot": (
        "il_robot.episodes.conversion.commands:import_lerobot_dataset",
        "Take in a LeRobot v3 dataset",
    ),
    "dataset export aloha": ("il_robot.episodes.conversion.commands:export_aloha", "Write ALOHA HDF5 files"),
    "dataset export lerobot": (
        "il_robot.episodes.conversion.commands:export_lerobot_dataset",
        "Write a LeRobot v3 dataset",
    ),
    "dataset export mcap": ("il_robot.episodes.conversion.commands:export_mcap", "Write ROS 2 bags (MCAP)"),
}
HELP = ("-h", "--help")
_AS_MANY_AS_PAY = "(default: as many as pay, one a core at most)"


def sim_collect(
    *,
    out: Path,
    task: str = "transfer_cube",
    episodes: int = 50,
    seed: int = 0,
    style: Literal["closed_loop", "timed", "human"] = "closed_loop",
    cameras: tuple[str, ...] | None = None,
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="HEIGHT WIDTH")] = None,
    rig: str = "sim",
    workers: Annotated[int | None, tyro.conf.arg(help_behavior_hint=_AS_MANY_AS_PAY, metavar="INT")] = None,
) -> int:
    """Record demonstrations of the scripted human, faster than real time, through the real episode writer.

    Only demonstrations that end held are kept; the others are counted and said.

    Examples:
        il-robot sim collect --task transfer_cube --episodes 50 --out data/cube --seed 0
        il-robot sim collect --episodes 50 --out data/small --cameras cam_high --size 96 96
        il-robot sim collect --episodes 50 --out data/states --cameras

    Args:
        out: folder that the episodes are added to.
        task: what is demonstrated.
        episodes: how many.
        seed: of the first start; demonstration i starts from seed + i.
        style: closed_loop (as good as it gets), timed (way-points at fixed times) or human (pauses, drift).
        cameras: which cameras to record (default: all of the rig; none after the option: no images).
        size: height and width of the images (default: the rig's).
        rig: a simulated rig: a name or the path of a rig.yaml.
        workers: processes that record at once; the same data however many.
    """
    from rich.console import Console
    from rich.progress import Progress

    from calibration.rig_file import load_rig
    from il_robot.crew import crew_size
    from il_robot.sim.collect import collect, with_cameras
    from il_robot.sim.rollout import worth_a_process

    found = load_rig(rig)
    if not found.simulated:
        raise BadInput(f"--rig {rig} is a real rig; allowed: a simulated one, such as sim")
    chosen = with_cameras(found, cameras, size)
    size_of_crew = crew_size(workers, episodes, worth_a_process(chosen.cameras))
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        row = bar.add_task("demonstrations", total=episodes)

        def show(collected: Collected) -> None:
            bar.update(row, completed=len(collected.kept))

        done = collect(
            out, chosen, task=task, episodes=episodes, seed=seed, style=style, workers=size_of_crew, progress=show
        )
    failed = f", {len(done.failed)} failed and were thrown away" if done.failed else ""
    print(f"{out}: {counted(len(done.kept), 'demonstration')} kept, {counted(done.steps, 'step')}{failed}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 = done, 1 = a fault or findings, 2 = bad input; errors are one line.

    With ``--json`` an error is a JSON object on the output, too.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # without a HOME it tells of the folder it made instead
    try:
        return _run(words)
    except IlRobotError as error:
        return _tell(error, words)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _tell(said_by_the_system(error), words)


def _tell(error: IlRobotError, words: Sequence[str]) -> int:
    print(f"error: {error}", file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"error": str(error)}))
    return 1 if isinstance(error, Fault) else 2


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        print(f"il-robot {__version__}")
        return 0
    name = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:
        return _list(words)
    if name == "launch" and set(words) & set(HELP) and (asked := [word for word in words[1:] if word not in HELP]):
        from il_robot_ros.command import describe

        return describe(asked[0])
    with _interrupted_at_once():
        function = _function(name)
    # tyro drops a docstring's examples: give it all but the arguments, which it reads itself.
    told = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:")[0].rstrip()
    arguments = words[len(name.split()) :]
    if set(arguments) & set(HELP):
        arguments = [HELP[0]]  # the usage shall show the words, too, that are given already
    refuse_repeated(arguments, function, f"il-robot {name}")
    with told_in_one_line(function):
        result = tyro.cli(
            in_words(function),
            prog=f"il-robot {name}",
            description=told,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
            registry=READING,
        )
    return result if isinstance(result, int) else 0


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """While libraries load."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = leave_at_once(130, "interrupted\n", signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _function(name: str) -> Callable[..., Any]:
    module, _, function = COMMANDS[name][0].partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded


def _list(words: list[str]) -> int:
    """The commands, all or of one group. Raises BadInput when a word leads nowhere."""
    asked = [word for word in words if word not in HELP]
    groups = {" ".join(name.split()[:n]) for name in COMMANDS for n in range(1, len(name.split()))}
    group = " ".join(asked)
    if asked and group not in groups:
        known = max((n for n in range(len(asked)) if " ".join(asked[:n]) in groups), default=0)
        wrong = " ".join(asked[: known + 1])
        raise BadInput(f"no command {wrong!r}; {nearest(wrong, [*COMMANDS, *groups])}")
    print(for_screen("Teach a two-armed robot by puppeteering it: collect, train, evaluate, deploy, take over.") + "\n")
    for name, (_, summary) in COMMANDS.items():
        if not asked or name.startswith(f"{group} "):
            print(for_screen(summary, f"  il-robot {name:<22} "))
    print("\nil-robot COMMAND --help shows a command's options, with examples.")
    return 0 if asked or not words or set(words) & set(HELP) else 2


if __name__ == "__main__":
    sys.exit(main())
