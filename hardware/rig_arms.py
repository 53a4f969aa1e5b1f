"""All arms of a rig together: opened, set up, brought to the start pose, put to sleep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from calibration.arm import RigCalibration
from hardware.arm_loop import LAG_S
from hardware.arm_motion import LOST_S, ArmFault, move_slowly, sleep_and_free
from hardware.arm_setup import Change, inspect_arm, set_up_arm
from hardware.bus import REPLY_S, Bus
from hardware.closing import ClosingTogether
from hardware.dynamixel_arm import DynamixelArm
from hardware.servo import SLOW_PER_S
from hardware.wiring import Wiring
from il_robot.control.rate import Clock, DeadlineLoop
from il_robot.errors import Fault
from il_robot.rig import NS_PER_S, Rig
from il_robot.types import Floats

SQUEEZED = 0.15
"""An operator's gripper below this opening is closed on purpose."""


class RigArms(ClosingTogether):
    """The leaders and followers of a rig on their buses. Closing the ports leaves every servo holding."""

    def __init__(
        self,
        rig: Rig,
        wiring: Wiring,
        calibration: RigCalibration,
        reply_s: float = REPLY_S,
        speed: float = SLOW_PER_S,
    ) -> None:
        """Opens every port. Raises Fault; nothing stays open then.

        ``speed`` bounds the slow moves [rad/s], as does the slowest of the rig's joints.
        """
        self._speed = min(speed, float(rig.velocity.min()))
        self._rig = rig
        self._sleep = {name: np.array(arm.sleep, np.float32) for name, arm in wiring.arms.items()}
        self.arms: dict[str, DynamixelArm] = {}
        """By name: ``follower_left``, ``leader_left``, ..."""
        with contextlib.ExitStack() as opened:
            for arm in rig.arms:
                for name in (arm.follower, arm.leader):
                    bus = Bus(wiring.arms[name].port, wiring.baud, reply_s)
                    opened.callback(bus.close)
                    scale = calibration.arm(name).for_joints(arm.joint_names, name)
                    self.arms[name] = DynamixelArm(name, bus, wiring.chain(name), scale, arm.joint_names)
            self._opened = opened.pop_all()

    @property
    def followers(self) -> list[DynamixelArm]:
        return [self.arms[arm.follower] for arm in self._rig.arms]

    @property
    def leaders(self) -> list[DynamixelArm]:
        return [self.arms[arm.leader] for arm in self._rig.arms]

    @property
    def lags_s(self) -> dict[str, float]:
        """How long after the clock's whole periods each arm's thread reads it, by name: leaders first."""
        return {arm.name: number * LAG_S for number, arm in enumerate([*self.leaders, *self.followers])}

    def set_up(self) -> list[Change]:
        """Inspects every servo of every arm, then writes what differs; what was done. Raises Fault."""
        reports = {name: inspect_arm(arm) for name, arm in self.arms.items()}
        return [change for name, arm in self.arms.items() for change in set_up_arm(arm, reports[name])]

    def go_to_start(self, clock: Clock, seconds: float = 2.0, keep_on: Callable[[], bool] = lambda: True) -> bool:
        """Stiffens all arms and moves them slowly to the rig's start pose; whether they arrived. Raises Fault.

        A leader opens its gripper, so that the operator can squeeze it.
        """
        for arm in self.arms.values():
            arm.within_reach()  # of all, before the first is stiff
        for arm in self.arms.values():
            arm.torque_on()
        targets: dict[DynamixelArm, Floats] = {}
        for pair in self._rig.arms:
            start = self._rig.start[self._rig.arm_slice(pair.name)]
            leader = self.arms[pair.leader]
            targets[self.arms[pair.follower]] = start
            targets[leader] = np.where(leader.is_gripper, np.float32(1.0), start)
        return move_slowly(targets, clock, seconds, keep_on, self._speed)

    def wait_for_hands(self, clock: Clock, keep_on: Callable[[], bool] = lambda: True) -> bool:
        """Frees the leaders' grippers and waits until the operator holds them all closed, then frees the leaders.

        Returns False when ``keep_on`` said so first: the leaders hold then. Raises Fault, also when a leader is lost.
        """
        for leader in self.leaders:
            leader.torque_off([j for j, gripper in zip(leader.joints, leader.is_gripper, strict=True) if gripper])
        loop = DeadlineLoop(clock, 20_000_000)
        heard_ns = dict.fromkeys(self.leaders, clock.now_ns())
        while loop.wait() is not None and keep_on():
            states = {leader: leader.read() for leader in self.leaders}
            for leader, state in states.items():
                if state is not None:
                    heard_ns[leader] = clock.now_ns()
                elif clock.now_ns() - heard_ns[leader] > LOST_S * NS_PER_S:
                    raise Fault(f"arm {leader.name}: lost while its gripper was waited for: {leader.missing()}")
            if all(
                state is not None and (state.qpos[leader.is_gripper] < SQUEEZED).all()
                for leader, state in states.items()
            ):
                for leader in self.leaders:
                    leader.torque_off()
                return True
        return False

    def go_to_sleep(self, clock: Clock, seconds: float = 2.0) -> None:
        """Moves the followers, and leaders that have any torque, to their sleep pose and frees them there.

        A free leader is the operator's; nobody may be holding another. Raises Fault that names every arm that could
        not: it stays as it is and keeps no other from going.
        """
        faults: list[ArmFault] = []
        standing = self.followers
        for leader in self.leaders:
            try:
                if len(leader.without_torque()) < len(leader.servos):
                    leader.stop_pushing()
                    leader.torque_on()
                    standing.append(leader)
            except Fault as fault:
                faults.append(ArmFault(leader, fault))
        faults += sleep_and_free({arm: self._sleep[arm.name] for arm in standing}, clock, seconds, self._speed)
        if faults:
            raise Fault("; ".join(f"{fault.arm.name} stays as it is, hold it: {fault}" for fault in faults))
