"""Whether a pose that was just captured can be right: said while the operator still holds the arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from calibration.arm import ArmCalibration
from calibration.capture import fit_gripper, fit_joint
from calibration.joint import RAD_PER_TICK, TICKS_PER_TURN
from il_robot.errors import BadInput

CLOSED, OPEN = "gripper closed", "gripper open"
"""What the two captures of an arm's grippers are called beside those of the poses."""
ZERO_MOVED_RAD = 0.35
"""A zero further (20 deg) from the calibration of before is asked about."""
STROKE_SHARE = 0.5
"""A gripper that moves by less of the stroke of before is asked about."""

Captured = Mapping[str, Mapping[str, float]]
"""Pose -> joint -> servo ticks."""


class Pose(Protocol):
    """A reference pose's name and every arm joint's angle in it [rad]."""

    @property
    def name(self) -> str: ...

    @property
    def angles(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Doubt:
    """Something about a capture that is wrong, or may be."""

    joint: str
    what: str
    forget: tuple[str, ...] | None = None
    """None: it only surprises, and is right when it comes again. Else it cannot be; when it comes again, these
    earlier captures are the wrong ones."""


@dataclass(frozen=True)
class PoseCheck:
    """What is known of an arm before its poses are captured."""

    prior: ArmCalibration
    poses: tuple[Pose, ...]
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By joint: what its servo can reach [ticks]; without: a whole turn."""

    def doubts(self, done: Captured, name: str, ticks: Mapping[str, float]) -> list[Doubt]:
        """What is wrong with the capture ``name``, given all the ones before; nothing when it can be right."""
        captured = {**done, name: ticks}
        beyond = [doubt for joint in ticks if (doubt := self._beyond(joint, ticks[joint]))]
        if name in (CLOSED, OPEN):
            return [doubt for doubt in beyond if doubt.joint in self.prior.grippers] or self._of_grippers(captured)
        known = {doubt.what for doubt in self._of_joints(done)}
        beyond = [doubt for doubt in beyond if doubt.joint in self.prior.joints]
        return beyond or [doubt for doubt in self._of_joints(captured) if doubt.what not in known]

    def contradicts_itself(self, done: Captured) -> bool:
        """Whether captures of an earlier start cannot all be right: the rig's files were changed since."""
        complete = all(set(self.prior.joints) | set(self.prior.grippers) <= set(ticks) for ticks in done.values())
        return not complete or any(
            doubt.forget is not None for doubt in (*self._of_joints(done), *self._of_grippers(done))
        )

    def _beyond(self, joint: str, ticks: float) -> Doubt | None:
        lower, upper = self.limits.get(joint, (0, TICKS_PER_TURN - 1))
        if lower <= ticks % TICKS_PER_TURN <= upper:
            return None
        return Doubt(joint, f"{joint} reads {ticks:.0f} ticks, its servo reaches {lower} to {upper}", forget=())

    def _of_joints(self, captured: Captured) -> list[Doubt]:
        held = [pose for pose in self.poses if pose.name in captured]
        return [doubt for joint in self.prior.joints if held for doubt in self._of_joint(joint, held, captured)]

    def _of_joint(self, joint: str, held: list[Pose], captured: Captured) -> list[Doubt]:
        before = self.prior.joints[joint]
        ticks = np.array([captured[pose.name][joint] for pose in held])
        angles = np.array([pose.angles[joint] for pose in held])
        try:
            fit = fit_joint(joint, ticks, angles, before).calibration
        except BadInput:
            moved, asked = abs(_within_half_turn(RAD_PER_TICK * (ticks[-1] - ticks[0]))), abs(angles[-1] - angles[0])
            what = f"{joint} moved {moved:.2f} rad since pose {held[0].name}, {asked:.2f} are asked for"
            return [Doubt(joint, what, forget=tuple(pose.name for pose in held))]
        if fit.sign != before.sign:
            return [Doubt(joint, f"{joint} turned the other way than calibration.yaml says")]
        off = abs(_within_half_turn(RAD_PER_TICK * (fit.zero_ticks - before.zero_ticks)))
        if off > ZERO_MOVED_RAD:
            return [Doubt(joint, f"{joint} is {off:.1f} rad from where calibration.yaml has it")]
        return []

    def _of_grippers(self, captured: Captured) -> list[Doubt]:
        if not {CLOSED, OPEN} <= set(captured):
            return []
        doubts = []
        for name, before in self.prior.grippers.items():
            try:
                fit = fit_gripper(captured[CLOSED][name], captured[OPEN][name], before)
            except BadInput as error:
                doubts.append(Doubt(name, f"{name}: {error}", forget=(CLOSED,)))
                continue
            if fit.scale * before.scale < 0:
                doubts.append(Doubt(name, f"{name} opened the other way than calibration.yaml says"))
            elif abs(before.scale / fit.scale) < STROKE_SHARE:
                share = abs(before.scale / fit.scale)
                doubts.append(Doubt(name, f"{name} moved {share:.0%} of the stroke that calibration.yaml says"))
        return doubts


def _within_half_turn(angle: float) -> float:
    """The same angle from -pi to pi."""
    return math.remainder(angle, 2 * math.pi)
