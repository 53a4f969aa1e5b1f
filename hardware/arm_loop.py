"""The thread of one arm reads it every period; commands go out as they come. Four arms run side by side."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

from hardware.arm import Arm, ArmState
from il_robot.control.latency import Latencies
from il_robot.control.rate import Clock, DeadlineLoop, Lateness
from il_robot.errors import Fault
from il_robot.types import Floats

RECOVER_S = 0.5
LAG_S = 0.0005
"""Each arm of a rig is read so much after the one before, leaders first, whom an operator waits for: not all want the
processor at once."""
HOLD_AFTER = 5
"""So many lost answers in a row (0.1 s at 50 Hz) mean that the arm is lost until it answers again."""


@dataclass(frozen=True)
class ArmLoopHealth:
    """How an arm's thread is doing."""

    lateness: Lateness
    lost: int
    """Answers lost since the start."""
    consecutive_lost: int
    recovered: int
    """How often a lost port was opened again."""


class ArmLoop:
    """Runs an arm at a fixed rate. Asking and commanding from outside never wait for the bus.

    The bus belongs to whoever holds its lock: the arm's thread while it reads, and whoever brings a command while it
    does not. So a command is on the wire without waking a thread first, which would cost more than writing it.
    A lost answer changes nothing: the servos hold the last goal.
    """

    def __init__(self, arm: Arm, rate_hz: float, clock: Clock, name: str, lag_s: float = 0.0) -> None:
        """``lag_s``: how long after the clock's whole periods it reads."""
        self._arm = arm
        self._clock = clock
        self._loop = DeadlineLoop(clock, round(1e9 / rate_hz), round(1e9 * lag_s))
        self._newest: ArmState | None = None
        self._command: Floats | None = None
        self._since_ns: int | None = None
        self._bus = threading.Lock()
        self.leader_to_wire = Latencies()
        """From the reading of a leader to the command made from it being written to this arm's bus."""
        self._fault: Fault | None = None
        self._unsent: Fault | None = None
        """Why a command could not be sent."""
        self._lost = 0
        self._recovered = 0
        self._complaint: str | None = None
        self._consecutive = 0
        self._fresh = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"arm {name}", daemon=True)
        self._name = name

    def start(self) -> None:
        """From now on the arm belongs to this thread."""
        self._thread.start()

    def latest(self) -> ArmState | None:
        """The newest state; None before the first. Raises Fault while the arm is lost, or a servo in error."""
        if self._fault is not None:
            raise self._fault
        if self._complaint is not None:
            raise Fault(self._complaint)
        if self._consecutive >= HOLD_AFTER:
            raise Fault(f"arm {self._name}: no answer {self._consecutive} times in a row; it holds its last goal")
        return self._newest

    def wait_newer(self, time_ns: int, timeout_s: float) -> ArmState | None:
        """The first state read after ``time_ns``; None when none came in time. Raises Fault as :meth:`latest`."""
        with self._fresh:
            self._fresh.wait_for(
                lambda: self._fault is not None or (self._newest is not None and self._newest.time_ns > time_ns),
                timeout_s,
            )
        newest = self.latest()
        return newest if newest is not None and newest.time_ns > time_ns else None

    def command(self, qpos: Floats, since_ns: int | None = None) -> None:
        """(J,) goes out at once, or as soon as the bus is free; only the newest counts.

        The array must not change afterwards. ``since_ns`` is when the leader that it copies was read, for
        :attr:`leader_to_wire`; None: it copies no leader.
        """
        with self._fresh:
            self._command, self._since_ns = qpos, since_ns
        if self._thread.is_alive():
            self._send_commands()

    def health(self) -> ArmLoopHealth:
        return ArmLoopHealth(self._loop.lateness(), self._lost, self._consecutive, self._recovered)

    def stop(self) -> None:
        """Ends the thread; the arm holds, and belongs to the caller again."""
        self._stopping.set()
        with self._fresh:
            self._fresh.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        with self._bus:  # nobody still sends
            pass

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set():
                    if self._loop.wait() is None:
                        return
                    self._cycle()
            except Fault as fault:
                self._recover(fault)

    def _recover(self, fault: Fault) -> None:
        """Says that the arm is lost, and tries to take it up again. Commands from before are forgotten."""
        with self._fresh:
            self._fault = fault
            self._fresh.notify_all()
        with self._bus:
            while not self._stopping.wait(RECOVER_S):
                with contextlib.suppress(Fault):
                    self._arm.recover()
                    with self._fresh:
                        self._fault = self._unsent = self._command = None
                        self._recovered += 1
                    return

    def _cycle(self) -> None:
        with self._bus:
            if self._unsent is not None:
                raise self._unsent
            state = self._arm.read()
            complaint = self._arm.complaint() if state is not None else None
        self._send_commands()
        with self._fresh:
            if state is None:
                self._lost += 1
                self._consecutive += 1
                return
            self._consecutive = 0
            self._complaint = complaint
            self._newest = state
            self._fresh.notify_all()

    def _send_commands(self) -> None:
        """Sends what waits, unless somebody holds the bus, who then does so: nothing waits on a free bus."""
        while self._command is not None and self._bus.acquire(blocking=False):
            try:
                if self._stopping.is_set() or self._unsent is not None:
                    return
                self._send_command()
            except Fault as fault:
                self._unsent = fault  # for the arm's thread, which knows what to do
            finally:
                self._bus.release()

    def _send_command(self) -> None:
        with self._fresh:
            command, since_ns, self._command = self._command, self._since_ns, None
        if command is None:
            return
        self._arm.command(command)
        if since_ns is not None:
            self.leader_to_wire.add(time.time_ns() - since_ns)
