"""Runs commands, each in a fork of its own, and kills them with SIGKILL right before their n-th change to the disk.

A line on the input is JSON: ``{"words": [...], "kill_before": n or null}``. The answer is one line: how many changes
the command made, or ``killed``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

import h5py  # noqa: F401  # these here, and not once in every fork
import pyarrow.parquet  # noqa: F401

from il_robot.cli import COMMANDS, main

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def run(words: list[str], kill_before: int | None) -> None:
    """Never returns: exits with the command's code, or is killed on the way."""
    changes = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        if event in CHANGES or (event == "open" and arguments[2] & WRITING):
            if changes == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            changes += 1

    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.addaudithook(count)
    code = main(words)
    os.write(answer, f"{changes}\n".encode())
    os._exit(code)


def serve() -> None:
    for name in ("dataset merge", "dataset prune", "dataset export aloha"):
        importlib.import_module(COMMANDS[name][0].partition(":")[0])
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            run(asked["words"], asked["kill_before"])
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            print("killed", flush=True)
        elif os.WEXITSTATUS(status):
            print(f"exit code {os.WEXITSTATUS(status)}", flush=True)


if __name__ == "__main__":
    serve()
