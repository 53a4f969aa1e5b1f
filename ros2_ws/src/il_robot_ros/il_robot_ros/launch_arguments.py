"""The ``key:=value`` arguments of a run: which there are, and what their values may be."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from il_robot.control.execution import EXECUTIONS, PREFERENCES
from il_robot.errors import BadInput, nearest
from il_robot.screen import for_screen
from il_robot.training.recipe import PRECISIONS
from il_robot.training.run_folder import WEIGHTS


@dataclass(frozen=True)
class Argument:
    """One ``key:=value`` of a launch file."""

    name: str
    default: str | None
    """None: it must be given."""
    description: str


def listed(arguments: Sequence[Argument]) -> str:
    """A line each: how it is typed with its default, and what it means."""
    typed = [f"{a.name}:={'...' if a.default is None else a.default}" for a in arguments]
    wide = max(map(len, typed))
    return "\n".join(
        for_screen(f"{a.description}{' (required)' if a.default is None else ''}", f"  {how:<{wide}}  ")
        for how, a in zip(typed, arguments, strict=True)
    )


def parse(pairs: Sequence[str]) -> dict[str, str]:
    """``["rig:=sim", ...]`` as a dictionary. Raises BadInput."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition(":=")
        if not separator or not key:
            raise BadInput(f"launch argument {pair!r}; allowed: key:=value")
        if key in given:
            raise BadInput(f"launch argument {pair!r}: {key}:={given[key]} was given before; allowed: once")
        given[key] = value
    return given


def integer(given: Mapping[str, str], name: str, least: int = 0) -> int:
    try:
        number = int(given[name])
    except ValueError:
        number = least - 1
    if not least <= number < MANY:
        raise BadInput(f"{name}:={given[name]}; allowed: a whole number, at least {least} and below 2^63")
    return number


def number(given: Mapping[str, str], name: str) -> float:
    try:
        return float(given[name])
    except ValueError:
        raise BadInput(f"{name}:={given[name]}; allowed: a number") from None


def truth(given: Mapping[str, str], name: str) -> bool:
    if given[name] not in ("true", "false"):
        raise BadInput(f"{name}:={given[name]}; allowed: true, false")
    return given[name] == "true"


def choice(given: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    if given[name] not in allowed:
        raise BadInput(f"{name}:={given[name]}; {nearest(given[name], allowed)}")
    return given[name]


def pedal(given: Mapping[str, str]) -> str:
    if given["pedal"] not in (RIG_PEDAL, KEYBOARD) and not given["pedal"].startswith("/"):
        words = nearest(given["pedal"], (RIG_PEDAL, KEYBOARD))
        raise BadInput(f"pedal:={given['pedal']}; {words}, or the path of a serial port (/dev/...)")
    return given["pedal"]


def computing(given: Mapping[str, str]) -> dict[str, str | bool]:
    """How the policy computes, for its node. Whether this machine has the device, torch has to say."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", given["device"]):
        raise BadInput(f"device:={given['device']}; {nearest(given['device'], ('cpu', 'cuda', 'cuda:0'))}, cuda:1 ...")
    return {
        "device": given["device"],
        "precision": choice(given, "precision", PRECISIONS),
        "compile": truth(given, "compile"),
    }


def login() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user may have no name
        return f"user {os.getuid()}"


MANY = 2**63
"""No ROS parameter holds a whole number as large."""
STYLES = ("closed_loop", "timed", "human")

RIG_PEDAL, KEYBOARD = "rig", "keyboard"

DATASET = Argument("dataset", None, "folder that the episodes go to; made if there is none")
POLICY = Argument("policy", None, "the run folder of a trained policy")
WHICH_WEIGHTS = Argument(
    "weights", WEIGHTS[0], "last, or best: what held most in training's --rollouts, else the lowest validation loss"
)
EPISODE = Argument("episode", None, "the episode (a folder *.zarr) whose actions are sent again")
RIG = Argument("rig", "sim", "the rig: a name (sim, aloha, koch), or the folder of one")
TASK = Argument("task", "", "what is being done: a real rig's is asked for; simulated: which scene, else transfer_cube")
TASK_AGAIN = replace(
    TASK, description="what is being done; else what the episode's task was (simulated: transfer_cube)"
)
EPISODES = Argument("episodes", "0", "episodes saved (simulated: tried) until the run ends; 0 = until Ctrl-C")
SEED = Argument("seed", "0", "seed of the simulated scene; each episode takes the next one")
FRESH_SEED = replace(SEED, default="1000")
"""A policy is deployed at starts where, unless somebody asks for it, no demonstration began."""
PEDAL = Argument("pedal", RIG_PEDAL, "rig (what the rig has; simulated: scripted), keyboard, or a serial port's path")
OPERATOR = Argument("operator", "", "who moves the leaders, kept in every episode; else scripted or your login")
STYLE = Argument("style", "closed_loop", f"how the scripted operator moves: {', '.join(STYLES)}")
KNOCK = Argument("knock_at", "-1", "simulation: knock the cube away this many steps into an episode; -1 = never")
EXECUTION = (
    Argument("execution", "ensemble", f"how action chunks become actions: {', '.join(EXECUTIONS)}"),
    Argument("m", "0.01", "ensemble: weights exp(-m i), i = 0 the preferred prediction; 0 = all alike"),
    Argument("prefer", "oldest", f"ensemble: which prediction for a moment weighs most: {', '.join(PREFERENCES)}"),
    Argument("execute", "10", "receding: steps that are followed of each chunk"),
)
COMPUTING = (
    Argument("device", "cpu", "where the policy computes: cpu, cuda"),
    Argument("precision", "fp32", f"how precisely: {', '.join(PRECISIONS)} (far quicker on a GPU)"),
    Argument("compile", "false", "true: torch.compile first makes one program of the policy, a minute or more"),
)
VERBOSE = Argument("verbose", "false", "real rig, true: says each register that the start writes, not only how many")
SIM_TIME = Argument("use_sim_time", "false", "true: all clocks follow the simulator's /clock")
SPEED = Argument("speed", "1.0", "with use_sim_time: simulated seconds per real second, 0.5 on a slow machine")
