"""The processes that runs are made of, each with its parameters from a launch's arguments: plain data.

No ROS import here. What is given wrongly raises BadInput.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from calibration.rig_file import load_rig
from il_robot.errors import BadInput
from il_robot.sim.tasks import TASKS
from il_robot_ros.graph_process import Process, Value
from il_robot_ros.launch_arguments import RIG_PEDAL, choice, integer, login, number, pedal, truth

PEDAL_LINK = "il-robot-pedal-"
"""How the link begins behind which the scripted operator's pedal is; it comes with the run."""


def shared(given: Mapping[str, str]) -> dict[str, Value]:
    """What every process is told."""
    return {"rig": given["rig"], "use_sim_time": truth(given, "use_sim_time")}


def rig_processes(given: Mapping[str, str], frees_leaders: bool = False) -> tuple[Process, ...]:
    """What stands for the arms, the cameras and the pedal's device: the simulator, or the real ones."""
    told_all = shared(given)
    speed = number(given, "speed")
    if speed != 1.0 and not told_all["use_sim_time"]:
        raise BadInput(f"speed:={given['speed']} needs use_sim_time:=true")
    if not 0 < speed <= 100:
        raise BadInput(f"speed:={given['speed']}; allowed: above 0, at most 100")
    wanted, verbose, seed = pedal(given), truth(given, "verbose"), integer(given, "seed")
    if simulated(given):
        task = choice({**given, "task": _whose(given)["task"]}, "task", TASKS)
        simulator = Process("sim", {**told_all, "task": task, "seed": seed, "speed": speed})
        return simulator, Process(
            "pedal", {**told_all, "device": str(_pedal_link()) if wanted == RIG_PEDAL else wanted}
        )
    if told_all["use_sim_time"]:
        raise BadInput(f"use_sim_time:=true needs a simulated rig; {given['rig']} is a real one")
    return (
        Process("arms", {**told_all, "frees_leaders": frees_leaders, "verbose": verbose}),
        Process("cameras", told_all),
        Process("pedal", {**told_all, "device": wanted}),
    )


def simulated(given: Mapping[str, str]) -> bool:
    """Whether the rig is."""
    return load_rig(given["rig"]).simulated


def _pedal_link() -> Path:
    """Where the scripted operator's emulated pedal appears: one per launch, which removes what a kill left of it."""
    link = Path(tempfile.gettempdir()) / f"{PEDAL_LINK}{os.getpid()}"
    atexit.register(link.unlink, missing_ok=True)
    return link


def control(given: Mapping[str, str], autonomous: bool, **more: Value) -> Process:
    """``autonomous``: something else than the leaders may drive."""
    if autonomous and load_rig(given["rig"]).pedal.takeover is None:
        raise BadInput(f"rig {given['rig']}: takeover is null in rig.yaml; no policy drives where nobody takes over")
    return Process("control", {**shared(given), "autonomous": autonomous, **more})


def recorder(given: Mapping[str, str], policy: str) -> Process:
    """Where nobody is scripted, it counts the episodes that end the run."""
    episodes = 0 if simulated(given) else integer(given, "episodes")
    told: dict[str, Value] = {**_whose(given), "dataset": given["dataset"], "policy": policy, "episodes": episodes}
    return Process("recorder", {**shared(given), **told}, ends_run=episodes > 0)


def _whose(given: Mapping[str, str]) -> dict[str, str]:
    """What an episode's task is and who its operator. A real one must not look simulated, and no dataset unnamed."""
    scripted = simulated(given)
    if not scripted and not given["task"].strip():
        raise BadInput(f"rig {given['rig']}: missing task:=... (what is being done, such as fold_towel)")
    return {
        "task": given["task"] or "transfer_cube",
        "operator": given["operator"] or ("scripted" if scripted else login()),
    }


def puppeteer(given: Mapping[str, str], role: str, **more: Value) -> tuple[Process, ...]:
    """The scripted human of a simulated rig: moves the leaders; has the pedal unless somebody else has."""
    if not simulated(given):
        return ()
    link = str(_pedal_link()) if given["pedal"] == RIG_PEDAL else "-"
    told: dict[str, Value] = {"role": role, "episodes": integer(given, "episodes"), "pedal_link": link}
    return (Process("puppeteer", {**shared(given), **told, "seed": integer(given, "seed"), **more}, ends_run=True),)


def folder(given: Mapping[str, str], name: str, what: str) -> str:
    """The argument ``name``, which is to be the folder of ``what``."""
    if not Path(given[name]).is_dir():
        raise BadInput(f"{name}:={given[name]} is not a folder; allowed: {what}")
    return str(Path(given[name]).resolve())
