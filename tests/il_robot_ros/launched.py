"""A graph started as a person starts it: ``il-robot launch`` in a session and a ROS domain of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 250.0
"""Far longer than anything takes on a busy machine (a quarter of a core: 130 s): only a hang reaches it."""
CLOCK = ("use_sim_time:=true", "speed:=0.5")
"""Half the speed of the real thing, so that a busy machine of two cores keeps up."""


class Launched:
    """One run; whatever is left of it is killed at the end."""

    def __init__(self, folder: Path, *arguments: str, clock: tuple[str, ...] = CLOCK) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._log = folder / f"{arguments[0]}.log"
        self.domain = str(20 + os.getpid() % 80)
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": self.domain,
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "TMPDIR": str(self.temporary),
        }
        with self._log.open("w") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "il_robot.cli", "launch", arguments[0], *clock, *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str, times: int = 1) -> None:
        """Until the run has said that so often; fails when it ends or says nothing of it for too long."""
        deadline_s = time.monotonic() + START_S
        while self.output.count(words) < times:
            assert self.launcher.poll() is None, f"ended before {words!r}:\n{self.output}"
            assert time.monotonic() < deadline_s, f"no {words!r} in:\n{self.output}"
            time.sleep(0.05)

    def exit_code(self) -> int:
        """Waits for the end; fails, with what the run has said, when it does not come."""
        try:
            return self.launcher.wait(START_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"has not ended:\n{self.output}") from None

    def processes(self) -> dict[int, str]:
        """The living processes of this run: number -> command line."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it ended meanwhile
            if int(state[3]) == self.launcher.pid and state[0] != "Z":
                found[int(entry.name)] = command
        return found

    def process(self, node: str) -> int:
        """The number of the process that runs ``node``."""
        (number,) = (number for number, command in self.processes().items() if f"-m il_robot_ros {node} " in command)
        return number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        self.launcher.wait()
