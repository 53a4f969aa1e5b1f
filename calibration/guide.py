"""The guided calibration of arms: pose after pose, every capture saved at once, so that it can be resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.arm import ArmCalibration, RigCalibration
from calibration.capture import Read, disagreement, fit_gripper, fit_joint, hold_still
from calibration.gripper import GripperCalibration
from calibration.pose_check import CLOSED, OPEN, Doubt, PoseCheck
from calibration.report import ArmReport
from calibration.state import kept_in
from calibration.yaml_file import write_yaml
from il_robot import strict_yaml
from il_robot.errors import BadInput, nearest
from il_robot.rig import Rig
from il_robot.yaml_text import Place, read_yaml

Tell = Callable[[str], None]
"""Shows an instruction and returns when the operator has done it."""
Say = Callable[[str], None]
"""Shows a line and waits for nobody."""


@dataclass(frozen=True)
class ReferencePose:
    """A pose that a person can bring an arm into: against a jig, a stop, or by eye along its edges."""

    name: str
    instruction: str
    angles: dict[str, float] = field(default_factory=dict)
    """Every arm joint's angle in it [rad]."""

    def __post_init__(self) -> None:
        for joint, angle in self.angles.items():
            if not abs(angle) <= 2 * math.pi:
                raise BadInput(f"pose {self.name}: {joint} at {angle:g}; allowed: -6.28 to 6.28 rad")


@dataclass(frozen=True)
class Poses:
    """``poses.yaml`` of a rig."""

    poses: tuple[ReferencePose, ...]


def load_poses(path: Path, rig: Rig, calibration: RigCalibration) -> Poses:
    """The poses in a YAML file. Raises BadInput: file, line and column, what is wrong.

    There are some, and each names every joint that is calibrated by them, of every arm.
    """
    poses = strict_yaml.load(path, Poses)
    for pair in rig.arms:
        for arm in (pair.follower, pair.leader):
            joints = [joint for joint in pair.joint_names if joint in calibration.arm(arm).joints]
            if mistake := _mistake(poses, joints):
                place, what = mistake
                raise BadInput(f"{read_yaml(path).at(place)}: {what}")
    return poses


def _mistake(poses: Poses, joints: Sequence[str]) -> tuple[Place, str] | None:
    names = [pose.name for pose in poses.poses]
    if not names or len(set(names)) < len(names):
        told = ", ".join(names) or "none"
        return ("poses",), f"poses {told}; allowed: at least one, each with a name of its own"
    for number, pose in enumerate(poses.poses):
        angles = ("poses", number, "angles")
        missing = [joint for joint in joints if joint not in pose.angles]
        if odd := [joint for joint in pose.angles if joint not in joints]:
            return (*angles, odd[0]), f"pose {pose.name}: no joint {odd[0]!r}; {nearest(odd[0], missing or joints)}"
        if missing:
            return angles, f"pose {pose.name}: the angle of {missing[0]} is missing"
    return None


@dataclass
class Progress:
    """Ticks captured so far: arm -> pose -> joint."""

    captured: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    @classmethod
    def resume(cls, path: Path) -> Progress:
        """What an interrupted calibration left behind, or nothing. Raises BadInput."""
        return kept_in(path, cls)

    def save(self, path: Path) -> None:
        write_yaml(path, asdict(self))


def steps_of(prior: ArmCalibration, poses: Poses) -> dict[str, str]:
    """What there is to capture of an arm, each with its instruction."""
    steps = {pose.name: pose.instruction for pose in poses.poses}
    return steps | ({CLOSED: "close the gripper fully", OPEN: "open the gripper fully"} if prior.grippers else {})


def captured_before(arm: str, prior: ArmCalibration, poses: Poses, progress: Progress) -> list[str]:
    """Which of those an interrupted calibration left; what cannot all be right is forgotten."""
    done = progress.captured.setdefault(arm, {})
    if PoseCheck(prior, poses.poses).contradicts_itself(done):
        done.clear()
    return [name for name in steps_of(prior, poses) if name in done]


def capture_arm(
    arm: str,
    read: Read,
    joints: Sequence[str],
    prior: ArmCalibration,
    poses: Poses,
    tell: Tell,
    path: Path,
    limits: Mapping[str, tuple[int, int]],
) -> None:
    """Leads the operator through the poses that ``path`` does not have yet. ``read`` gives (J,) ticks.

    The arm must be free. ``limits``: what each joint's servo reaches [ticks]. A pose that was not held still, or cannot
    be right beside the ones before, is asked for again at once.
    """
    progress = Progress.resume(path)
    check = PoseCheck(prior, poses.poses, limits)
    steps = steps_of(prior, poses)
    captured_before(arm, prior, poses, progress)
    done = progress.captured[arm]
    complaint, doubted = "", list[Doubt]()
    while left := [name for name in steps if name not in done]:
        ticks = _held(complaint, f"{arm}, {left[0]}: {steps[left[0]]}", read, joints, tell)
        held = {j: float(t) for j, t in zip(joints, ticks, strict=True)}
        before, doubted = doubted, check.doubts(done, left[0], held)
        again = [doubt.joint for doubt in doubted] == [doubt.joint for doubt in before]
        complaint = ""
        if not doubted or (again and all(doubt.forget is None for doubt in doubted)):
            done[left[0]], doubted = held, []
        elif again and any(doubt.forget for doubt in doubted):
            forgotten = [name for name in done if any(name in (doubt.forget or ()) for doubt in doubted)]
            wrong = "the wrong one, so that comes" if len(forgotten) == 1 else "wrong, so they come"
            complaint = f"{_listed(doubted)}: {' and '.join(forgotten)} may have been {wrong} again"
            for name in forgotten:
                del done[name]
            doubted = []
        else:
            kept = " (the same again is taken as it is)" if all(doubt.forget is None for doubt in doubted) else ""
            complaint = f"{_listed(doubted)}{kept}"
        progress.save(path)


def _listed(doubts: Sequence[Doubt], most: int = 3) -> str:
    left = len(doubts) - most
    more = f"; and {left} more joint{'s' * (left > 1)}" if left > 0 else ""
    return "; ".join(doubt.what for doubt in doubts[:most]) + more


def _held(complaint: str, asked: str, read: Read, joints: Sequence[str], tell: Tell) -> NDArray[np.float64]:
    tell(f"{complaint}; once more, {asked}" if complaint else asked)
    while True:
        try:
            return hold_still(read, joints)
        except BadInput as moved:
            tell(f"{moved}; once more, {asked}")


def fit_arm(arm: str, prior: ArmCalibration, poses: Poses, progress: Progress) -> tuple[ArmCalibration, ArmReport]:
    """The calibration that the captured poses say. Raises BadInput when they contradict each other."""
    done = progress.captured.get(arm, {})
    fits = {}
    for joint, before in prior.joints.items():
        ticks = np.array([done[pose.name][joint] for pose in poses.poses])
        fits[joint] = fit_joint(f"{arm} {joint}", ticks, np.array([p.angles[joint] for p in poses.poses]), before)
    grippers = fit_grippers(arm, prior, progress)
    report = ArmReport(
        {joint: round(fit.residual_rad, 4) for joint, fit in fits.items()},
        tuple(joint for joint, fit in fits.items() if fit.calibration.sign != prior.joints[joint].sign),
        {
            joint: round((fit.calibration.zero_ticks - prior.joints[joint].zero_ticks) * prior.joints[joint].scale, 4)
            for joint, fit in fits.items()
        },
        tuple(joint for joint, fit in fits.items() if not fit.sign_proven),
    )
    return ArmCalibration({joint: fit.calibration for joint, fit in fits.items()}, grippers), report


def fit_grippers(arm: str, prior: ArmCalibration, progress: Progress) -> dict[str, GripperCalibration]:
    """The arm's grippers as captured closed and open. Raises BadInput when the two are hardly apart."""
    done = progress.captured.get(arm, {})
    return {name: fit_gripper(done[CLOSED][name], done[OPEN][name], before) for name, before in prior.grippers.items()}


def pair_disagreement(
    joints: Sequence[str],
    leader: tuple[str, ArmCalibration],
    follower: tuple[str, ArmCalibration],
    poses: Poses,
    progress: Progress,
) -> dict[str, float]:
    """By joint: how far leader and follower read apart in the same poses [rad]. No pose says anything of grippers."""
    names = [pose.name for pose in poses.poses]
    sides = []
    for arm, calibration in (leader, follower):
        scale = calibration.for_joints(joints, arm)
        captured = progress.captured[arm]
        sides.append(np.array([scale.position([captured[n][j] for j in joints]) for n in names]))
    apart = zip(joints, disagreement(*sides), strict=True)
    return {joint: round(float(off), 4) for joint, off in apart if joint in leader[1].joints}
