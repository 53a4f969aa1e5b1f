"""The thread of an arm, on an arm that takes as long as the test says: who uses the bus when, and what is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from hardware.arm import ArmState
from hardware.arm_loop import LAG_S, ArmLoop
from il_robot.control.rate import SystemClock
from il_robot.errors import Fault


class Recording:
    """An arm that remembers what it was told, and notices two who use it at once."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.reads = self.recovered = 0
        self.reading, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.broken = self.shared = False
        self._used = threading.Lock()

    def read(self) -> ArmState:
        self._use()
        self.reading.set()
        self.go_on.wait(60)
        self.reads += 1
        still = np.zeros(1, np.float32)
        self._used.release()
        return ArmState(still, still, still, time.time_ns())

    def command(self, qpos: np.ndarray) -> None:
        self._use()
        self.told.append(float(qpos[0]))
        self._used.release()
        if self.broken:
            raise Fault("the port is gone")

    def complaint(self) -> None: ...

    def recover(self) -> None:
        self.broken = False
        self.recovered += 1

    def _use(self) -> None:
        self.shared = self.shared or not self._used.acquire(timeout=0.5)


class Stepped:
    """A clock whose deadlines pass one by one, when the test says so."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.ticks = threading.Semaphore(0)

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until(self, time_ns: int) -> bool:
        self.ticks.acquire()
        self.time_ns = time_ns
        return True


def until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.001)


def end(loop: ArmLoop, clock: Stepped) -> None:
    threading.Timer(0.05, clock.ticks.release).start()
    loop.stop()


def test_a_command_goes_out_at_once_on_a_bus_that_is_free() -> None:
    arm, clock = Recording(), Stepped()
    loop = ArmLoop(arm, 50.0, clock, "follower_left")
    loop.command(np.array([1.0]))
    assert arm.told == [], "the arm belongs to the loop only once that is started"
    loop.start()
    loop.command(np.array([2.0]))
    assert (arm.told, arm.reads) == ([2.0], 0)
    end(loop, clock)
    loop.command(np.array([3.0]))
    assert arm.told == [2.0], "stopped, the arm belongs to others again"


def test_commands_that_come_while_the_arm_is_read_wait_and_the_newest_goes() -> None:
    arm, clock = Recording(), Stepped()
    loop = ArmLoop(arm, 50.0, clock, "follower_left")
    loop.start()
    arm.go_on.clear()
    clock.ticks.release()
    assert arm.reading.wait(60)
    for number in (1.0, 2.0):
        loop.command(np.array([number]))
    assert arm.told == []
    arm.go_on.set()
    until(lambda: arm.told == [2.0])
    assert arm.reads == 1, "it went in the cycle that it came in"
    end(loop, clock)


def test_however_commands_come_one_at_a_time_uses_the_bus_and_the_last_is_sent() -> None:
    arm = Recording()
    loop = ArmLoop(arm, 1000.0, SystemClock(), "follower_left")
    loop.start()

    def drive(base: int) -> None:
        for number in range(500):
            loop.command(np.array([float(base + number)]))

    drivers = [threading.Thread(target=drive, args=(1000 * n,)) for n in range(3)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    loop.command(np.array([-1.0]))
    until(lambda: arm.told[-1] == -1.0)
    loop.stop()
    assert not arm.shared
    assert arm.reads > 0


def test_a_command_that_cannot_be_sent_makes_the_arm_lost_until_it_is_taken_up_again() -> None:
    arm, clock = Recording(), Stepped()
    loop = ArmLoop(arm, 50.0, clock, "follower_left")
    loop.start()
    arm.broken = True
    loop.command(np.array([1.0]))  # not the sender's to handle
    loop.command(np.array([2.0]))
    assert arm.told == [1.0]
    clock.ticks.release()
    until(lambda: arm.recovered == 1)
    until(lambda: loop.health().recovered == 1)
    assert arm.told == [1.0], "a command from before is not carried out afterwards"
    loop.command(np.array([3.0]))
    until(lambda: arm.told == [1.0, 3.0])
    end(loop, clock)


def test_each_arm_is_read_a_little_after_the_one_before() -> None:
    arm, clock = Recording(), Stepped()
    loop = ArmLoop(arm, 50.0, clock, "follower_left", lag_s=2 * LAG_S)
    loop.start()
    clock.ticks.release()
    until(lambda: arm.reads == 1)
    assert clock.time_ns % 20_000_000 == 1_000_000
    end(loop, clock)
