"""An arm of Dynamixel servos: a bus and a calibration, so that it speaks radians and gripper openings."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calibration.arm import ArmScale, Ticks
from calibration.joint import RAD_PER_TICK, TICKS_PER_TURN
from hardware import control_table as table
from hardware.arm import ArmState
from hardware.bus import PATIENCE_S, Bus
from hardware.limp import LimpWatch
from hardware.servo import Servo, named
from hardware.wire import PATIENT_S
from il_robot.errors import Fault
from il_robot.types import Floats

Answer = TypeVar("Answer")
SHADOW_SLACK_TICKS = 60
"""Two servos on one joint that read further apart (5 deg) would fight each other."""


MOST_PATIENT_S = 0.4
"""So long an answer may take in the end that a start depends on: a busy computer gives it no sooner."""
OUTSIDE_TICKS = 200
"""An arm that lies at its stops may stand a little outside of what its servos accept as goals; not so far (0.3 rad)."""
PUSH_TICKS = 120
"""How far away the goal of a servo is that pushes (10 deg): it goes no further when nobody renews it."""
PRESENT = "hii"
"""Present_Current, Present_Velocity and Present_Position of a servo as they lie on the wire (:mod:`struct`)."""
CURRENT, VELOCITY, POSITION = range(len(PRESENT))


class DynamixelArm:
    """An arm of Dynamixel X servos. Belongs to one thread, as its bus does."""

    def __init__(self, name: str, bus: Bus, servos: Sequence[Servo], scale: ArmScale, joints: Sequence[str]) -> None:
        """``joints`` gives the order of all vectors. Opens and moves nothing."""
        self.name = name
        self.bus = bus
        self.servos = tuple(servos)
        self.joints = tuple(joints)
        mains = {servo.joint: servo for servo in servos if servo.shadow_of is None}
        self._mains = tuple(mains[joint] for joint in joints)
        self._ids = [servo.id for servo in self.servos]
        self._main_ids = [main.id for main in self._mains]
        self._rows = np.array([self._ids.index(main.id) for main in self._mains])
        self._positions = len(PRESENT) * self._rows + POSITION
        self._calibrated = scale
        self.is_gripper = scale.is_gripper
        self._range = np.array([[main.lower_ticks, main.upper_ticks] for main in self._mains]).T
        self._single_turn = np.array([main.mode == "position" for main in self._mains])
        self._limp = LimpWatch(bus, self._mains, ~scale.is_gripper)
        self._present = struct.Struct("<" + PRESENT * len(servos))
        self._ticks = np.zeros(len(joints))
        """(J,) where the last read found the main servos."""
        self._count_turns(np.zeros(len(joints), np.int64))
        self._effort_unit = np.array(
            [table.MODELS[servo.model].ampere_per_unit or table.LOAD_PER_UNIT for servo in servos]
        )
        self._rates = self._rates_of_raw()

    def read(self) -> ArmState | None:
        """Where it is now; None when the answer got lost. Raises Fault when the port is gone."""
        began_ns = time.time_ns()
        raw = self._raw()
        if raw is None:
            return None
        time_ns = (began_ns + time.time_ns()) // 2
        self._ticks = raw.take(self._positions)
        qvel, effort = (self._rates @ raw).astype(np.float32).reshape(2, -1)
        return ArmState(self._scale.position(self._ticks), qvel, effort, time_ns)

    def command(self, qpos: Floats) -> None:
        """(J,) where it shall go. Clipped to what the servos accept, so that none refuses. Raises Fault."""
        if not np.isfinite(qpos).all():
            raise Fault(f"arm {self.name}: commanded to {qpos}: only the safety gate may command an arm")
        goal = np.minimum(np.maximum(self._scale.ticks(qpos), self._lower), self._upper)
        self._send_goal(goal)
        self._limp.sent(goal)

    def complaint(self) -> str | None:
        """Which servos reported a hardware error in the last read, or lost their torque without saying so."""
        return self._ill(self._limp.look(self._ticks))

    def examined(self) -> str | None:
        """What :meth:`complaint` says, found by asking every servo of an arm that should be stiff. Raises Fault."""
        return self._ill(self.without_torque())

    def recover(self) -> None:
        """Opens the port again after it was lost; servos held their goal meanwhile. Raises Fault."""
        self.bus.reopen()
        self.settle()

    def torque_on(self) -> None:
        """Stiffens where it stands: the goal is set to the present position first, so nothing jumps. Raises Fault."""
        self._limp.forget()
        here = self.within_reach()
        # Position mode drops whole turns when the torque comes on.
        self._count_turns(np.where(self._single_turn, 0, self._turns))
        self.command(here)
        self.stiffen(self.joints)
        self.settle()
        self.command(self.here())

    def torque_off(self, joints: Sequence[str] | None = None) -> None:
        """Frees all joints, or those named. An arm that stands up falls. Raises Fault."""
        self._limp.forget()
        freed = {servo.id: 0 for servo in self.servos if joints is None or servo.joint in joints}
        self.bus.sync_write(table.TORQUE_ENABLE, freed)
        for servo_id in freed:
            if self.bus.read(servo_id, table.TORQUE_ENABLE):
                raise Fault(f"arm {self.name}: servo {servo_id} keeps its torque")

    def without_torque(self) -> list[Servo]:
        """The servos that have no torque now. Raises Fault."""
        return [servo for servo in self.servos if not self.bus.read(servo.id, table.TORQUE_ENABLE)]

    def stiffen(self, joints: Sequence[str]) -> None:
        """Torque for these joints only, towards the goals they have. Raises Fault."""
        for servo in self.servos:
            if servo.joint in joints:
                self.bus.write(servo.id, table.TORQUE_ENABLE, 1)

    def push(self, amperes: NDArray[np.float64], joints: Sequence[str]) -> None:
        """(J,) the current of each servo of these joints [A], signed as the joint turns; from where the last read found
        the arm, PUSH_TICKS far at most.

        Only for servos in current-based position mode: their Goal_Current is the force, their goal the direction.
        Raises Fault.
        """
        self._limp.forget()
        chosen = [row for row, joint in enumerate(self.joints) if joint in joints]
        units = np.rint(np.abs(amperes) / self._effort_unit[self._rows]).astype(np.int64)
        way = np.sign(amperes * self._scale.scale).astype(np.int64) * PUSH_TICKS
        # At the end of its range a joint is not pushed: its goal is where it stands.
        goal = np.clip(self._ticks + way, self._lower, self._upper)
        self.bus.sync_write(table.GOAL_CURRENT, {self._mains[row].id: int(units[row]) for row in chosen})
        self.bus.sync_write(table.GOAL_POSITION, {self._mains[row].id: int(goal[row]) for row in chosen})

    def stop_pushing(self) -> None:
        """Goals where the arm is, then the currents of hardware.yaml: in this order, so that it does not jump."""
        self.command(self.here())
        currents = {m.id: m.goal_current for m in self._mains if m.goal_current is not None}
        self.bus.sync_write(table.GOAL_CURRENT, currents)

    def settle(self) -> None:
        """Finds the whole turns that servos woke up with, and pairs that disagree. Raises Fault."""
        raw = self._insist(self._raw)
        ticks = raw[POSITION :: len(PRESENT)].astype(np.int64)
        turns = np.rint((ticks[self._rows] - self._range.mean(axis=0)) / TICKS_PER_TURN).astype(np.int64)
        self._count_turns(turns * TICKS_PER_TURN)
        for row, servo in enumerate(self.servos):
            if servo.shadow_of is None:
                continue
            apart = abs((ticks[row] - ticks[self._ids.index(servo.shadow_of)] + 2048) % TICKS_PER_TURN - 2048)
            if apart > SHADOW_SLACK_TICKS:
                raise Fault(
                    f"arm {self.name}: servos {servo.shadow_of} and {servo.id} of {servo.joint} read {apart} ticks "
                    f"apart (allowed {SHADOW_SLACK_TICKS}): they would fight; check horn, Homing_Offset and Drive_Mode"
                )

    def here(self) -> Floats:
        """(J,) where it is now. Raises Fault when it does not say."""
        return self._insist(self.read).qpos

    def within_reach(self) -> Floats:
        """(J,) where it is now. Raises Fault when a joint stands so far outside what its servo accepts as a goal that
        it would snap there once it has torque."""
        self.settle()
        here = self.here()
        outside = np.maximum(self._lower - self._ticks, self._ticks - self._upper)
        if outside.max() > OUTSIDE_TICKS:
            row = int(outside.argmax())
            reach = f"ticks {self._lower[row]} to {self._upper[row]}, what {named([self._mains[row]])} reaches"
            raise Fault(
                f"arm {self.name}: {self.joints[row]} stands at tick {self._ticks[row]:.0f}, outside {reach}: move it "
                "inside; if it looks as if it were, its horn was mounted otherwise"
            )
        return here

    def missing(self) -> str:
        """Which servos do not answer, for a person. Slow: asks each."""
        answering = self.bus.answering(self._ids)
        silent = [servo for servo in self.servos if servo.id not in answering]
        if not silent:
            return "answers get lost, though every servo answers alone; is the computer busy? Else check cable, adapter"
        return f"no answer from {named(silent)}; check power and cable"

    def _ill(self, limp: Sequence[Servo]) -> str | None:
        alerts = [servo for servo in self.servos if servo.id in self.bus.health.alerts]
        if not alerts and not limp:
            return None
        what = "hardware error of" if alerts else "was its power cut? No torque in"
        return f"arm {self.name}: {what} {named(alerts or limp)}; hold the arm, end the session and start anew"

    def _send_goal(self, ticks: NDArray[np.int64]) -> None:
        self.bus.sync_write(table.GOAL_POSITION, dict(zip(self._main_ids, ticks.tolist(), strict=True)))

    def _count_turns(self, turns: Ticks) -> None:
        """Whole turns (J,) [ticks] that the servos count on top of what they were calibrated with."""
        self._turns = turns
        self._scale = replace(self._calibrated, zero=self._calibrated.zero + turns)
        self._lower, self._upper = self._range + turns

    def _rates_of_raw(self) -> NDArray[np.float64]:
        """(2 J, 3 servos) what turns the raw present values of all servos into velocities and efforts of the joints.

        Efforts are signed as the joint turns, both servos of a pair together.
        """
        velocity, effort = np.zeros((2, len(self.joints), len(self.servos), 3))
        velocity[range(len(self.joints)), self._rows, VELOCITY] = (
            table.RAD_S_PER_VELOCITY_UNIT / RAD_PER_TICK * self._calibrated.scale
        )
        of_joint = np.array([[servo.joint == joint for servo in self.servos] for joint in self.joints])
        effort[..., CURRENT] = of_joint * self._effort_unit * np.sign(self._calibrated.scale)[:, np.newaxis]
        return np.stack([velocity, effort]).reshape(2 * len(self.joints), -1)

    def _raw(self) -> NDArray[np.float64] | None:
        """(3 servos,): current, velocity and position of each servo in turn."""
        found = self.bus.sync_read(self._ids, table.PRESENT_CURRENT, table.PRESENT_POSITION)
        return None if found is None else np.array(self._present.unpack(b"".join(found.values())), np.float64)

    def _insist(self, ask: Callable[[], Answer | None]) -> Answer:
        """Asks again what a start depends on, as single registers are asked again. Raises Fault."""
        reply_s, until_s = PATIENT_S, time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with self.bus.patiently(reply_s):
                if (answer := ask()) is not None:
                    return answer
            reply_s = min(2 * reply_s, MOST_PATIENT_S)
        raise Fault(f"arm {self.name}: {self.missing()}")
