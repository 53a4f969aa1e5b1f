"""Starts a graph where there is no ``ros2`` command: the same processes with the same arguments as the launch file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from il_robot.leaving import stop_signals
from il_robot.screen import for_screen
from il_robot_ros.graph_process import GRACE_S, Process

STOP_S = 45.0
"""How long processes may take to stop on Ctrl-C, before they are terminated: real arms go to sleep slowly, and begin
anew when one of them is lost on the way."""
TERM_S = 3.0
"""How long then, before they are killed."""
ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "IL_ROBOT_LAUNCHED": "1",
    "RCUTILS_CONSOLE_OUTPUT_FORMAT": "{message}",
}


@dataclass
class _Running:
    process: Process
    popen: subprocess.Popen[str]
    reader: threading.Thread


class Runner:
    """One run of a graph."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._running: list[_Running] = []
        self._stop = threading.Event()
        self._forced: list[str] = []
        """Processes that did not stop by themselves and were killed."""
        self._unread = False
        """Whoever read our output has gone."""

    def run(self) -> int:
        """Start everything, wait for the end, stop everything. 0 = finished or asked to stop, else what failed."""
        before = {number: signal.signal(number, lambda *_: self._stop.set()) for number in stop_signals()}
        try:
            for process in self._processes:
                self._running.append(self._start(process))
            code = self._wait()
            code = 1 if self._unread else code
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)
        return code or self._failed_while_stopping()

    def _failed_while_stopping(self) -> int:
        """1, and who it was, when a process could not end well: an arm that never reached its sleep pose, say."""
        for name in self._forced:
            _complain(f"{name} did not stop and was killed; arms that it moved hold where they are")
        failed = [running for running in self._running if (running.popen.returncode or 0) > 0]
        for running in failed:
            code = running.popen.returncode
            _complain(f"{running.process.name} ended with exit code {code} while it was stopped")
        return 1 if failed or self._forced else 0

    def _start(self, process: Process) -> _Running:
        # A process takes over what is blocked: a Ctrl-C waits until it can answer, even while Python itself starts.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
        try:
            return self._started(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _started(self, process: Process) -> _Running:
        popen = subprocess.Popen(
            process.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **ENVIRONMENT, **process.environment},
        )
        assert popen.stdout is not None
        reader = threading.Thread(target=self._print_lines, args=(process.name, popen.stdout), daemon=True)
        reader.start()
        return _Running(process, popen, reader)

    def _print_lines(self, name: str, lines: IO[str]) -> None:
        for line in lines:
            try:
                print(for_screen(line.rstrip(), f"{name:>10} | "), flush=True)
            except OSError:  # a pipe that nobody reads, a terminal that was closed
                # A run that nobody can follow ends; until then its processes must not block on a full pipe.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                self._unread = True
                self._stop.set()

    def _wait(self) -> int:
        """Until a process that ends the run has finished, one has failed, or a signal came."""
        while not self._stop.wait(0.05):
            # What ends the run takes its devices with it: look at it first.
            if any(running.process.ends_run and running.popen.poll() == 0 for running in self._running):
                return 0
            for running in self._running:
                code = running.popen.returncode if running.process.ends_run else running.popen.poll()
                if code is not None:
                    return self._fail(running, code)
        return 0

    def _fail(self, running: _Running, code: int) -> int:
        running.reader.join(1.0)
        what = f"was killed (signal {-code})" if code < 0 else f"ended with exit code {code}"
        _complain(f"{running.process.name} {what}; the run ends")
        if code != 2:
            self._stop.wait(GRACE_S)
        return 2 if code == 2 else 1

    def _stop_all(self) -> None:
        for number, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGTERM, TERM_S), (signal.SIGKILL, TERM_S)):
            running_on = [running for running in self._running if running.popen.poll() is None]
            if number == signal.SIGKILL:
                self._forced = [running.process.name for running in running_on]
            left = [running.popen for running in running_on]
            for popen in left:
                popen.send_signal(number)
                popen.send_signal(signal.SIGCONT)  # one that was suspended hears it too
            deadline_s = time.monotonic() + patience_s
            while any(popen.poll() is None for popen in left) and time.monotonic() < deadline_s:
                time.sleep(0.02)
        for running in self._running:
            running.reader.join(1.0)


def _complain(what: str) -> None:
    with contextlib.suppress(OSError):  # its terminal was closed
        print(f"error: {what}", file=sys.stderr, flush=True)
