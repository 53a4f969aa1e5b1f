"""One arm in the operator's hands: its bus open, its servos set up, its torque off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from calibration.arm import ArmScale
from calibration.guide import Tell
from hardware.arm_setup import inspect_arm, set_up_arm
from hardware.bus import REPLY_S, Bus
from hardware.dynamixel_arm import DynamixelArm
from hardware.wiring import Wiring
from il_robot.errors import Fault
from il_robot.rig import Arm


@contextmanager
def free_arm(
    name: str, pair: Arm, wiring: Wiring, scale: ArmScale, tell: Tell, reply_s: float = REPLY_S
) -> Iterator[DynamixelArm]:
    """The arm called ``name`` of ``pair``, free to be moved by hand; says so before. Raises BadInput or Fault."""
    bus = Bus(wiring.arms[name].port, wiring.baud, reply_s)
    try:
        arm = DynamixelArm(name, bus, wiring.chain(name), scale, pair.joint_names)
        tell(f"{name}: hold the arm, it will lose its torque")
        arm.torque_off()
        set_up_arm(arm, inspect_arm(arm))  # which way a servo counts is one of its registers
        if arm.read() is None:
            raise Fault(f"arm {name}: {arm.missing()}")
        yield arm
    finally:
        bus.close()
