"""Runs functions in a child process, for C libraries that a damaged file or a full disk can crash (HDF5 is one).

A child that dies of a signal, or that uses more processor time or memory than it may, is one clear line here.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from il_robot.errors import BadInput, Fault, IlRobotError

_Result = TypeVar("_Result")

_MEMORY_BYTES = 4 << 30
"""What a child may take beyond what it has at its start."""


class Isolated:
    """One child process, started on first use and again after it died; a context manager that ends it."""

    def __init__(self, *, writes: bool = False) -> None:
        """``writes``: it is the disk that can kill the child, not what it reads."""
        self._writes = writes
        self._process: Any = None
        self._connection: Connection | None = None

    def call(self, cpu_s: int, subject: Path, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """``function(*arguments)`` in the child; both must pickle. ``cpu_s`` is the processor time it may take.

        Raises BadInput about ``subject`` when the child is killed, Fault when it was to write; errors of this project
        come through.
        """
        connection = self._started()
        try:
            connection.send((function, arguments, cpu_s))
            result, error = connection.recv()
        except (EOFError, ConnectionError):
            raise self._died(subject) from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _started(self) -> Connection:
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _died(self, subject: Path) -> Exception:
        self._process.join()
        code = self._process.exitcode
        self._process = self._connection = None
        if code < 0 and self._writes:
            ended = f"the library that writes it ended by {signal.Signals(-code).name}"
            return Fault(f"{subject}: cannot be written: {ended}: is the disk full?")
        if code < 0:
            return BadInput(f"{subject}: damaged: the library that reads it ended by {signal.Signals(-code).name}")
        return RuntimeError(f"{subject}: the child process ended with {code}, see above")


def _serve(connection: Connection) -> None:
    """The child's life: calls in, results or errors out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        try:
            function, arguments, cpu_s = connection.recv()
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + cpu_s, hard))
        answer: tuple[Any, IlRobotError | None]
        try:
            answer = function(*arguments), None
        except IlRobotError as error:
            answer = None, error
        try:
            connection.send(answer)
        except BrokenPipeError:
            return  # Whoever asked was killed meanwhile.
