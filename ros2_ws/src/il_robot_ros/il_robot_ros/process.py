"""How a node process lives: start, spin, stop cleanly on Ctrl-C, SIGTERM, SIGHUP or an error, and say why in one line.

Exit codes: 0 finished or asked to stop, 1 a fault, 2 bad input.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import Executor
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from il_robot.control.rate import SWITCH_S
from il_robot.errors import Fault, IlRobotError
from il_robot.leaving import stop_signals
from il_robot_ros.transport import share_no_memory

PATIENCE_S = 1.0
"""How long a thread may take to see that it is to stop."""
LAUNCHED = "IL_ROBOT_LAUNCHED"
"""Set for processes that belong to a graph: they stop when what launched them is gone."""


class Life:
    """One process's stop flag, the error that set it, and the threads that obey it."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._parent = os.getppid() if os.environ.get(LAUNCHED) else None
        self._failed = False
        self.error: IlRobotError | None = None

    @property
    def exit_code(self) -> int:
        """0 finished or asked to stop, 1 a fault or a bug, 2 bad input."""
        if self.error is not None:
            return 1 if isinstance(self.error, Fault) else 2
        return 1 if self._failed else 0

    @property
    def stopping(self) -> bool:
        if self._parent is not None and os.getppid() != self._parent:
            self._stop.set()
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        """True as soon as the process is to stop, False after that time."""
        return self._stop.wait(seconds)

    def stop(self, error: IlRobotError | None = None) -> None:
        """End the process; with an error, say it and exit non-zero."""
        self.error = self.error or error
        self._stop.set()

    def thread(self, name: str, work: Callable[[], None]) -> None:
        """Start ``work`` in a thread; an error there ends the process."""

        def guarded() -> None:
            ended_well = False
            try:
                work()
                ended_well = True
            except IlRobotError as error:
                self.stop(error)
            except (ROSInterruptException, RCLError):
                # What ROS says of a context that is gone; anything else is a bug and shows its traceback.
                if not self.stopping:
                    raise
                ended_well = True
            finally:
                # Another thread that ends well must not hide this one.
                self._failed |= not ended_well
                self._stop.set()

        thread = threading.Thread(target=guarded, name=name)
        self._threads.append(thread)
        thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the threads, each for that long at most."""
        for thread in self._threads:
            thread.join(timeout_s)


def run(
    name: str,
    make: Callable[[Node, Life], object],
    executor: Callable[[], Executor] = EventsExecutor,
    images: bool = False,
) -> int:
    """Run the node ``name`` until it is told to stop; the exit code.

    The events executor costs a third of the others (measured), but ``spin`` does not work in Jazzy's, only
    ``spin_once``, and it fails on callbacks that want a message's info.

    ``make`` connects what the process does to the node; if the result has a ``close`` method, it is called
    before the node is gone. ``images``: it sends or takes them, for which it may share memory with others
    (transport.py); who drives the arms never does.
    """
    sys.setswitchinterval(SWITCH_S)
    life = Life()
    for number in stop_signals():
        signal.signal(number, lambda *_: life.stop())
    if not images:
        share_no_memory()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name)
    work: object = None
    try:
        work = make(node, life)
        gc.freeze()  # what is loaded by now stays: looking through it takes longer than a tick
        spinning = executor()
        spinning.add_node(node)
        while not life.stopping:
            spinning.spin_once(timeout_sec=0.1)
    except IlRobotError as error:
        life.stop(error)
    finally:
        life.stop()
        _put_away(node, work, life)
    if life.error is not None:
        print(f"error: {life.error}", file=sys.stderr, flush=True)
    return life.exit_code


def _put_away(node: Node, work: object, life: Life) -> None:
    close = getattr(work, "close", None)
    try:
        if close is not None:
            close()
    except IlRobotError as error:
        life.error = life.error or error
    life.join(PATIENCE_S)
    # A thread that sleeps on simulated time wakes when the context is gone.
    try_shutdown()
    life.join()
    node.destroy_node()
