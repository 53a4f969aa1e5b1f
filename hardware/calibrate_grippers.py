"""Calibrates only the grippers of a rig, guided: closed and open, for when a gripper was taken apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.arm import RigCalibration, update_calibration
from calibration.guide import Poses, Progress, Say, Tell, fit_grippers
from calibration.state import GRIPPERS, unfinished_file
from hardware.bus import REPLY_S
from hardware.calibrate_arms import capture
from hardware.wiring import Wiring
from il_robot.errors import BadInput
from il_robot.rig import Rig


def calibrate_grippers(
    rig: Rig,
    wiring: Wiring,
    prior: RigCalibration,
    tell: Tell,
    path: Path,
    say: Say = print,
    reply_s: float = REPLY_S,
) -> RigCalibration:
    """Leads through every gripper and writes ``path``; all else in ``prior`` stays.

    Started again after an interruption it goes on where it was. Raises BadInput or Fault.
    """
    pairs = {name: pair for pair in rig.arms for name in (pair.follower, pair.leader) if prior.arm(name).grippers}
    if not pairs:
        raise BadInput(f"rig {rig.name}: its calibration.yaml knows no gripper")
    unfinished = unfinished_file(path, GRIPPERS)
    for name, pair in pairs.items():
        capture(name, pair, wiring, prior, Poses(()), tell, say, unfinished, reply_s)
    progress = Progress.resume(unfinished)
    fitted = {name: replace(prior.arm(name), grippers=fit_grippers(name, prior.arm(name), progress)) for name in pairs}
    calibration = update_calibration(path, prior, lambda now: replace(now, arms={**now.arms, **fitted}))
    unfinished.unlink()
    return calibration
