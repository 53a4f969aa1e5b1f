"""``il-robot demo``: the whole loop on the simulated rig, by the very commands a user would type.

Collect in real time over ROS 2, more demonstrations faster than real time, replay, train, evaluate, deploy with
a knocked-away cube and a takeover, report.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from il_robot.counted import counted
from il_robot.errors import BadInput, Fault

MARK = ".il-robot-demo"
"""Marks a folder that a demo made, so that only such a folder is ever made anew."""
KNOCK_AT = 70
"""Steps into the deployed episode at which the cube is knocked away: the right arm is about to grasp."""


@dataclass(frozen=True)
class Place:
    """Where the demo keeps what it makes."""

    root: Path

    @property
    def demonstrations(self) -> Path:
        return self.root / "demonstrations"

    @property
    def replays(self) -> Path:
        return self.root / "replays"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def corrections(self) -> Path:
        return self.root / "corrections"

    @property
    def report(self) -> Path:
        return self.root / "report.html"


def demo(
    *, out: Path = Path("demo"), realtime: int = 3, episodes: int = 50, starts: int = 50, preset: str = "tiny"
) -> int:
    """Show the whole loop on the simulated rig: collect, train, evaluate, deploy, take over, report.

    Every step is a command that is printed before it runs; type them yourself to go your own way.

    Examples:
        il-robot demo --out demo

    Args:
        out: folder for everything the demo makes; one that an earlier demo made is kept as OUT.before.
        realtime: demonstrations collected in real time over ROS 2.
        episodes: demonstrations in all; the rest are collected faster than real time.
        starts: fresh starts the policy is evaluated on.
        preset: what is trained.
    """
    if not 1 <= realtime <= episodes:
        raise BadInput(f"--realtime {realtime}; allowed: 1 to --episodes ({episodes})")
    place = Place(out)
    console = Console()
    before = make_anew(out)
    if before is not None:
        console.print(f"the last demo is kept: {before}", soft_wrap=True, highlight=False)
    began_s = time.monotonic()
    script = _Script(console)
    script.say(
        "1  Collect", f"{realtime} demonstrations in real time: two leaders, two followers, four cameras over ROS 2"
    )
    script.run("launch", "collect", "rig:=sim", f"dataset:={place.demonstrations}", f"episodes:={realtime}")
    if episodes > realtime:
        script.say("2  Collect more", "the same operator and writer, faster than real time")
        more = ["--episodes", str(episodes - realtime), "--seed", "100", "--out", str(place.demonstrations)]
        script.run("sim", "collect", "--task", "transfer_cube", *more)
    script.say("3  Replay", "a recorded episode's actions through the graph once more")
    first = min(place.demonstrations.glob("2*.zarr"))
    script.run("launch", "replay", f"episode:={first}", f"dataset:={place.replays}")
    script.say("4  Train", "ACT on the demonstrations")
    script.run("train", "act", str(place.demonstrations), "--out", str(place.run), "--preset", preset)
    script.say("5  Evaluate", counted(starts, "fresh start"))
    script.run("evaluate", str(place.run), "--episodes", str(starts), "--json", to=place.evaluation)
    script.say("6  Deploy", "the policy drives; the cube is knocked away; the pedal hands control over and back")
    script.run(
        "launch",
        "deploy",
        f"policy:={place.run}",
        f"dataset:={place.corrections}",
        "episodes:=1",
        f"knock_at:={KNOCK_AT}",
    )
    script.say("7  Report", f"all of it on one page, after {(time.monotonic() - began_s) / 60:.1f} minutes")
    script.run("report", str(out), "--out", str(place.report))
    return 0


def make_anew(out: Path) -> Path | None:
    """An empty, marked folder ``out``; where an earlier demo's went, if there was one. Raises BadInput.

    Stopped at any moment it leaves only folders that the next demo knows as a demo's.
    """
    out = out.resolve()
    before, doomed = out.with_name(f"{out.name}.before"), out.with_name(f".{out.name}.discarded")
    for folder in (out, before):
        if folder.exists() and not (_made_by_a_demo(folder) or _is_empty(folder)):
            raise BadInput(f"{folder} exists and is not a demo's folder; choose another --out")
    kept = _made_by_a_demo(out)
    try:
        shutil.rmtree(doomed, ignore_errors=True)
        if kept:
            if before.exists():
                before.rename(doomed)
            out.rename(before)
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()
    except OSError as error:
        raise BadInput(f"--out {out}: {error.strerror}") from None
    shutil.rmtree(doomed, ignore_errors=True)
    return before if kept else None


def _made_by_a_demo(folder: Path) -> bool:
    return (folder / MARK).is_file()


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


class _Script:
    """Runs this project's own commands one after the other and shows them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Nobody else's robot shall hear this one.
        self._environment = {
            "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            **os.environ,
        }

    def say(self, title: str, text: str) -> None:
        self._console.rule(f"[bold]{title}[/bold]", align="left")
        self._console.print(text, highlight=False)

    def run(self, *words: str, to: Path | None = None) -> None:
        """Run ``il-robot WORDS``; its output goes to the terminal, or to a file. Raises Fault when it fails."""
        shown = f"il-robot {' '.join(words)}" + (f" > {to}" if to else "")
        self._console.print(f"[green]$[/green] {shown}", highlight=False, soft_wrap=True)
        began_s = time.monotonic()
        command = [sys.executable, "-m", "il_robot.cli", *words]
        with (to or Path(os.devnull)).open("w", encoding="utf-8") as file:
            done = subprocess.run(command, env=self._environment, stdout=file if to else None, check=False)
        self._console.print(f"[dim]{time.monotonic() - began_s:.0f} s[/dim]")
        if done.returncode:
            raise Fault(f"the demo ends here: {shown} ended with exit code {done.returncode}")
