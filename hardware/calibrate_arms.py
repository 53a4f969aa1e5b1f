"""Calibrates the arms of a rig, guided: opens their buses, frees them, captures poses, writes the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.arm import ArmScale, RigCalibration, update_calibration
from calibration.guide import (
    Poses,
    Progress,
    Say,
    Tell,
    capture_arm,
    captured_before,
    fit_arm,
    pair_disagreement,
    steps_of,
)
from calibration.report import Report, add_to_report
from calibration.state import ARMS, unfinished_file
from hardware.bus import REPLY_S
from hardware.free_arm import free_arm
from hardware.wiring import Wiring, check_limits
from il_robot.errors import BadInput
from il_robot.rig import Arm, Rig


def calibrate_arms(
    rig: Rig,
    wiring: Wiring,
    prior: RigCalibration,
    poses: Poses,
    tell: Tell,
    path: Path,
    say: Say = print,
    reply_s: float = REPLY_S,
) -> Report:
    """Leads through every arm and writes ``path`` (calibration.yaml) and a report beside it.

    ``tell`` asks the operator for something, ``say`` only says. Started again after an interruption it goes on where it
    was. Raises BadInput or Fault; ``path`` is written only when every arm is done, and the rig can be driven with it.
    """
    unfinished = unfinished_file(path, ARMS)
    for pair in rig.arms:
        for name in (pair.follower, pair.leader):
            capture(name, pair, wiring, prior, poses, tell, say, unfinished, reply_s)
    progress = Progress.resume(unfinished)
    fitted = {name: fit_arm(name, arm, poses, progress) for name, arm in prior.arms.items()}
    arms = {name: fit[0] for name, fit in fitted.items()}
    apart = {
        pair.name: pair_disagreement(
            pair.joint_names,
            (pair.leader, arms[pair.leader]),
            (pair.follower, arms[pair.follower]),
            poses,
            progress,
        )
        for pair in rig.arms
    }
    try:
        for pair in rig.arms:
            check_limits(pair, wiring, replace(prior, arms=arms))  # else no command takes the rig any more
    except BadInput as error:
        raise BadInput(f"{error}; the captures are kept: correct that and start again, or add --afresh") from None
    update_calibration(path, prior, lambda now: replace(now, arms=arms))
    report = add_to_report(path, arms={name: fit[1] for name, fit in fitted.items()}, pairs_apart=apart)
    unfinished.unlink()
    return report


def capture(
    name: str,
    pair: Arm,
    wiring: Wiring,
    prior: RigCalibration,
    poses: Poses,
    tell: Tell,
    say: Say,
    path: Path,
    reply_s: float,
) -> None:
    """Leads the operator through the poses and gripper ends of one arm that ``path`` does not have yet.

    An arm that ``path`` has all of is left alone.
    """
    before = captured_before(name, prior.arm(name), poses, Progress.resume(path))
    if before:
        say(f"{name}: {', '.join(before)} kept from before (--afresh forgets it)")
    if len(before) == len(steps_of(prior.arm(name), poses)):
        return
    joints = pair.joint_names
    # A scale of one: this arm speaks ticks.
    ones = ArmScale(np.zeros(len(joints)), np.ones(len(joints)), np.zeros(len(joints), bool))
    with free_arm(name, pair, wiring, ones, tell, reply_s) as arm:

        def read() -> np.ndarray | None:
            state = arm.read()
            return None if state is None else state.qpos

        limits = {s.joint: (s.lower_ticks, s.upper_ticks) for s in wiring.chain(name) if s.shadow_of is None}
        capture_arm(name, read, joints, prior.arm(name), poses, tell, path, limits)
    say(f"{name}: captured; lay it down, it stays without torque")
