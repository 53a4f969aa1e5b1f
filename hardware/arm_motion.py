"""Slow moves: to the start pose when a session begins, to the sleep pose when it ends.

Before an arm's thread runs and after it ended; the caller's thread owns the buses meanwhile.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from hardware.dynamixel_arm import DynamixelArm
from hardware.servo import SLOW_PER_S, named
from il_robot.control.rate import Clock, DeadlineLoop
from il_robot.errors import Fault
from il_robot.types import Floats

RATE_HZ = 50.0
LOST_S = 2.0
"""A move waits so long for an arm that is silent, where it has come to: on a busy machine answers get lost."""
BEHIND = 0.2
"""How far a joint may stay behind [rad]: gravity takes some of it."""
BEHIND_TICKS = 10
SETTLE_S = 0.4
"""Watched this long at the end: more than BEHIND_TICKS."""


class ArmFault(Fault):
    """What is wrong with one arm of several."""

    def __init__(self, arm: DynamixelArm, fault: Fault) -> None:
        super().__init__(str(fault))
        self.arm = arm


def move_slowly(
    targets: Mapping[DynamixelArm, Floats],
    clock: Clock,
    seconds: float = 2.0,
    keep_on: Callable[[], bool] = lambda: True,
    speed: float = SLOW_PER_S,
    lost_s: float = LOST_S,
) -> bool:
    """Moves several arms together in straight joint lines, eased in and out, in ``seconds`` or longer.

    No joint goes faster than ``speed`` [rad/s]. The arms must have torque. ``keep_on`` is asked every tick: once
    False, all hold where they are. While an arm is silent all wait where they are. Returns whether they arrived.
    Raises ArmFault when an arm stays silent for ``lost_s``, or stays behind; every arm holds then.
    """
    starts: dict[DynamixelArm, Floats] = {}
    for arm in targets:
        with _of(arm):
            starts[arm] = arm.here()
    way = max(float(np.abs(target - starts[arm]).max()) for arm, target in targets.items())
    # The eased path is pi/2 times as fast in its middle as on average.
    steps = math.ceil(max(seconds, way * math.pi / 2 / speed) * RATE_HZ)
    loop = DeadlineLoop(clock, round(1e9 / RATE_HZ))
    watches = {arm: _Watch(arm, start, clock, lost_s) for arm, start in starts.items()}
    step = 0
    with contextlib.ExitStack() as patient:
        for arm in targets:
            patient.enter_context(arm.bus.patiently())
        while step < steps:
            if loop.wait() is None or not keep_on():
                return False
            if not _all_answer(watches):
                continue
            step += 1
            eased = (1 - math.cos(math.pi * step / steps)) / 2
            for arm, target in targets.items():
                with _of(arm):
                    watches[arm].send((starts[arm] + (target - starts[arm]) * eased).astype(np.float32))
        for _ in range(round(RATE_HZ * SETTLE_S)):
            loop.wait()
            _all_answer(watches)
    return True


def sleep_and_free(
    targets: Mapping[DynamixelArm, Floats],
    clock: Clock,
    seconds: float = 2.0,
    speed: float = SLOW_PER_S,
    lost_s: float = LOST_S,
) -> list[ArmFault]:
    """Moves arms to their sleep poses and takes their torque only there; what kept an arm from it, one for each.

    Such an arm stays as it is and keeps no other from going: those hold for a moment, then start anew.
    """
    faults: list[ArmFault] = []
    left = dict(targets)
    while left:
        try:
            if not move_slowly(left, clock, seconds, speed=speed, lost_s=lost_s):
                break
            for arm in list(left):
                with _of(arm):
                    arm.torque_off()
                del left[arm]
        except ArmFault as fault:
            faults.append(fault)
            del left[fault.arm]
    return faults


@contextlib.contextmanager
def _of(arm: DynamixelArm) -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        raise ArmFault(arm, fault) from None


class _Watch:
    """Follows one arm through a move: lost answers, and joints that stay behind (grippers may: they grip)."""

    def __init__(self, arm: DynamixelArm, start: Floats, clock: Clock, lost_s: float) -> None:
        self._arm, self._goal, self._clock, self._lost_s = arm, start, clock, lost_s
        self._heard_ns = clock.now_ns()
        self._behind = 0

    def send(self, goal: Floats) -> None:
        self._arm.command(goal)
        self._goal = goal

    def answers(self) -> bool:
        """Whether the arm says where it is. Raises Fault when it has not for too long, or is not where it was sent."""
        state = self._arm.read()
        if state is None:
            if self._clock.now_ns() - self._heard_ns > self._lost_s * 1e9:
                raise Fault(f"arm {self._arm.name}: lost during a slow move: {self._arm.missing()}")
            return False
        self._heard_ns = self._clock.now_ns()
        off = np.abs(state.qpos - self._goal) * ~self._arm.is_gripper
        self._behind = self._behind + 1 if off.max() > BEHIND else 0
        if self._behind > BEHIND_TICKS:
            self._arm.command(state.qpos)  # pushing on would only overload its servos
            joint = self._arm.joints[int(off.argmax())]
            behind = f"arm {self._arm.name}: {joint} is {off.max():.2f} rad behind a slow move"
            raise Fault(self._arm.examined() or f"{behind}: {_hindrance(self._arm, joint)}")
        return True


def _hindrance(arm: DynamixelArm, joint: str) -> str:
    pair = [servo for servo in arm.servos if servo.joint == joint]
    if len(pair) == 1:
        return "what is in its way?"
    wrong = "are mounted the same way round, or have a wrong drive_mode"
    return f"what is in its way? If nothing is, {named(pair)} fight each other: they {wrong}"


def _all_answer(watches: Mapping[DynamixelArm, _Watch]) -> bool:
    answer = True
    for arm, watch in watches.items():
        with _of(arm):
            answer &= watch.answers()
    return answer
