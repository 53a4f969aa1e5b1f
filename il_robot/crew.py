"""Several processes that do work of one kind at once, each on a core of its own: more tasks a minute, the same results.

Which process does a task must not matter for what comes of it. They end with the one that began them, however
that ends, and put away what they had begun.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from il_robot.errors import BadInput, Fault, IlRobotError
from il_robot.stopping import StopRequest

Task = TypeVar("Task")
Result = TypeVar("Result")

PUT_AWAY = signal.SIGUSR1
"""To a process of a crew: give up, and put away what you have begun. A KeyboardInterrupt, unless a task asks for it
between its steps (:class:`StopRequest`)."""
_SPAWN = multiprocessing.get_context("spawn")
_PR_SET_PDEATHSIG = 1
"""Of Linux' prctl: the signal that comes when the parent dies."""


def crew_size(asked: int | None, tasks: int, least: int) -> int:
    """How many processes do ``tasks`` tasks: as many as were asked for, else one a core and for ``least`` tasks.

    Raises BadInput when none was asked for.
    """
    if asked is not None and asked < 1:
        raise BadInput(f"--workers {asked}; allowed: 1 and more")
    return max(1, min(asked or len(os.sched_getaffinity(0)), tasks if asked else tasks // least))


class Crew(Generic[Task, Result]):
    """``workers`` processes; a context manager that ends them. A crew of one works in this process."""

    def __init__(
        self, workers: int, ready: Callable[..., AbstractContextManager[Callable[[Task], Result]]], *given: Any
    ) -> None:
        """Each process enters ``ready(*given)`` once and does its tasks with the function it gets; all must pickle."""
        self._workers = workers
        self._ready = ready
        self._given = given
        self._own = ExitStack()
        self._work: Callable[[Task], Result] | None = None
        self._processes: dict[Connection, Any] = {}

    def each(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """What came of each task, in the order in which they are done.

        Raises what a task raised, where it is an error of this project or the system's, and Fault when a process dies.
        """
        if self._work is not None:
            yield from map(self._work, tasks)
            return
        waiting, idle, busy = iter(tasks), list(self._processes), set[Connection]()
        while True:
            for connection, task in zip(tuple(idle), waiting, strict=False):
                self._tell(connection, task)
                idle.remove(connection)
                busy.add(connection)
            if not busy:
                return
            answered = wait(list(busy))
            for connection in [one for one in busy if one in answered]:
                busy.remove(connection)
                idle.append(connection)
                yield self._answer(connection)

    def __enter__(self) -> Self:
        if self._workers == 1:
            self._work = self._own.enter_context(self._ready(*self._given))
            return self
        with ExitStack() as undone:
            undone.push(self.__exit__)
            with StopRequest() as stop, _deaf():
                for _ in range(self._workers):
                    self._begin_one()
            if stop.asked:
                raise KeyboardInterrupt
            undone.pop_all()
        return self

    def _begin_one(self) -> None:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_serve, args=(theirs, self._ready, self._given, os.getpid()), daemon=True)
        self._processes[ours] = process
        process.start()
        theirs.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._own.close()
        for connection, process in self._processes.items():
            if kind is not None and process.is_alive():
                os.kill(process.pid, PUT_AWAY)
            connection.close()
        for process in self._processes.values():
            if process.pid is not None:
                process.join()

    def _tell(self, connection: Connection, task: Task) -> None:
        try:
            connection.send(task)
        except ConnectionError:
            raise self._died(connection) from None

    def _answer(self, connection: Connection) -> Result:
        try:
            result, error = connection.recv()
        except (EOFError, ConnectionError):
            raise self._died(connection) from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _died(self, connection: Connection) -> Fault:
        process = self._processes[connection]
        process.join()
        code = process.exitcode
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}, see above"
        why = ": is the memory full?" if code == -signal.SIGKILL else ""
        return Fault(f"one of {self._workers} processes that work at once ended {how}{why}")


@contextmanager
def _deaf() -> Iterator[None]:
    """Whoever is begun in here never hears what asks a program to end: it reaches every process of a terminal or a job,
    and the first one answers it, who may want the work to be done."""
    resource_tracker.ensure_running()  # which would hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    connection: Connection,
    ready: Callable[..., AbstractContextManager[Callable[[Any], Any]]],
    given: tuple[Any, ...],
    parent: int,
) -> None:
    """A process's life: tasks in, results or errors out."""
    signal.signal(PUT_AWAY, signal.default_int_handler)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, PUT_AWAY)
    if os.getppid() != parent:
        return
    with suppress(KeyboardInterrupt, ConnectionError):
        try:
            if (task := _next(connection)) is None:
                return
            with ready(*given) as work:
                while task:
                    connection.send((work(*task), None))
                    task = _next(connection)
        except (IlRobotError, OSError) as error:
            signal.signal(PUT_AWAY, signal.SIG_IGN)  # it has put away already, and ends
            connection.send((None, error))


def _next(connection: Connection) -> tuple[Any] | None:
    """The task, or None where there is no more."""
    try:
        return (connection.recv(),)
    except (EOFError, ConnectionError):
        return None
