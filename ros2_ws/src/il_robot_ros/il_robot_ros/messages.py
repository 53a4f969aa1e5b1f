"""The only conversions between ROS messages and the project's types.

Stock messages carry everything. Two need a word:

* an **action chunk** is a JointTrajectory: ``header.stamp`` is the observation's time, point i is due
  ``i * period`` later (``time_from_start``);
* a **step** is a JointTrajectory: ``header.stamp`` is the tick, ``header.frame_id`` is
  ``mode/intervention/gate`` as integers, and the points are: one per follower as observed (its joints only,
  ``time_from_start`` is its capture time minus the tick, so it is negative), then the action asked, then the
  action sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CompressedImage, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from il_robot.errors import BadInput
from il_robot.rig import NS_PER_S, Rig
from il_robot.types import ActionChunk, Floats, Frame, Gate, Mode, Observation, Step


def to_stamp(time_ns: int) -> Time:
    return Time(sec=time_ns // NS_PER_S, nanosec=time_ns % NS_PER_S)


def from_stamp(stamp: Time) -> int:
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def _to_duration(span_ns: int) -> Duration:
    return Duration(sec=span_ns // NS_PER_S, nanosec=span_ns % NS_PER_S)


def _floats(values: Sequence[float]) -> Floats:
    return np.asarray(values, np.float32)


def _values(values: Sequence[float], names: Sequence[str]) -> Floats:
    """One value per name. Raises BadInput."""
    if len(values) != len(names):
        raise BadInput(f"a joint message with {len(values)} values for {len(names)} joints: {', '.join(names)}")
    return _floats(values)


def to_joint_state(names: Sequence[str], time_ns: int, qpos: Floats, qvel: Floats, effort: Floats) -> JointState:
    """One arm's state; every vector in the order of ``names``."""
    message = JointState(name=list(names), position=qpos.tolist(), velocity=qvel.tolist(), effort=effort.tolist())
    message.header.stamp = to_stamp(time_ns)
    return message


def from_joint_state(message: JointState, names: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """(position, velocity, effort) in the order of ``names``; missing velocity or effort is zero.

    Raises BadInput when a joint is missing.
    """
    order = _order(message.name, names)
    position = _values(message.position, message.name)[order]
    zeros = np.zeros_like(position)
    velocity = _floats(message.velocity)[order] if len(message.velocity) == len(message.name) else zeros
    effort = _floats(message.effort)[order] if len(message.effort) == len(message.name) else zeros
    return position, velocity, effort


def _order(given: Sequence[str], names: Sequence[str]) -> list[int]:
    if list(given) == list(names):
        return list(range(len(names)))
    missing = [name for name in names if name not in given]
    if missing:
        raise BadInput(f"a joint message lacks {', '.join(missing)}; it has {', '.join(given)}")
    return [list(given).index(name) for name in names]


COPIED = "leader"
"""As a command's frame_id: its stamp is when the leader that it copies was read."""


def to_command(
    names: Sequence[str], time_ns: int, target: Floats, period_ns: int, copied_ns: int | None = None
) -> JointTrajectory:
    """Where one arm shall be ``period_ns`` after ``time_ns``, or after the leader that it copies was read."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = to_stamp(time_ns if copied_ns is None else copied_ns)
    message.header.frame_id = "" if copied_ns is None else COPIED
    message.points = [JointTrajectoryPoint(positions=target.tolist(), time_from_start=_to_duration(period_ns))]
    return message


def from_command(message: JointTrajectory, names: Sequence[str]) -> Floats:
    """(J of the arm,) the target. Raises BadInput when it has no point or lacks a joint."""
    if not message.points:
        raise BadInput("a joint command without a point")
    return _values(message.points[-1].positions, message.joint_names)[_order(message.joint_names, names)]


def to_chunk(chunk: ActionChunk, names: Sequence[str]) -> JointTrajectory:
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = to_stamp(chunk.start_ns)
    message.points = [
        JointTrajectoryPoint(positions=row, time_from_start=_to_duration(i * chunk.period_ns))
        for i, row in enumerate(chunk.qpos.tolist())
    ]
    return message


def from_chunk(message: JointTrajectory, names: Sequence[str], period_ns: int) -> ActionChunk:
    """The chunk; raises BadInput when it is empty, lacks a joint, is not finite or has another period than the rig."""
    if not message.points:
        raise BadInput("an action chunk without a point")
    if len(message.points) > 1:
        given = from_stamp(message.points[1].time_from_start)
        if abs(given - period_ns) > 1_000:
            raise BadInput(f"an action chunk with a period of {given / 1e6} ms; the rig has {period_ns / 1e6} ms")
    qpos = np.stack([_values(point.positions, message.joint_names) for point in message.points])
    if not np.isfinite(qpos).all():
        raise BadInput("an action chunk with values that are not numbers")
    return ActionChunk(qpos[:, _order(message.joint_names, names)], from_stamp(message.header.stamp), period_ns)


def to_image(camera: str, frame: Frame) -> CompressedImage:
    message = CompressedImage(format="jpeg")
    message.header.stamp = to_stamp(frame.time_ns)
    message.header.frame_id = f"{camera}_optical_frame"
    message.data = frame.jpeg
    return message


def from_image(message: CompressedImage, sequence: int) -> Frame:
    """The frame; ``sequence`` is the publication's number, so a frame lost on the way leaves a gap."""
    return Frame(bytes(message.data), from_stamp(message.header.stamp), sequence)


def to_pose(time_ns: int, pose: Floats) -> PoseStamped:
    """``pose`` is (7,): x y z qw qx qy qz in the base frame."""
    message = PoseStamped()
    message.header.stamp = to_stamp(time_ns)
    message.header.frame_id = "base_link"
    x, y, z, qw, qx, qy, qz = pose.tolist()
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z = x, y, z
    orientation.w, orientation.x, orientation.y, orientation.z = qw, qx, qy, qz
    return message


def from_pose(message: PoseStamped) -> Floats:
    position, turn = message.pose.position, message.pose.orientation
    return _floats([position.x, position.y, position.z, turn.w, turn.x, turn.y, turn.z])


def to_step(step: Step, rig: Rig) -> JointTrajectory:
    message = JointTrajectory(joint_names=list(rig.joint_names))
    message.header.stamp = to_stamp(step.time_ns)
    message.header.frame_id = f"{int(step.mode)}/{step.intervention}/{int(step.gate)}"
    seen = step.observation
    qvel = np.zeros_like(seen.qpos) if seen.qvel is None else seen.qvel
    effort = np.zeros_like(seen.qpos) if seen.effort is None else seen.effort
    points = []
    for arm, joint_ns in zip(rig.arms, step.joint_ns, strict=True):
        part = rig.arm_slice(arm.name)
        point = JointTrajectoryPoint(positions=seen.qpos[part].tolist(), velocities=qvel[part].tolist())
        point.effort = effort[part].tolist()
        point.time_from_start = _to_duration(joint_ns - step.time_ns)
        points.append(point)
    points += [JointTrajectoryPoint(positions=action.tolist()) for action in (step.action_asked, step.action)]
    message.points = points
    return message


def from_step(message: JointTrajectory, rig: Rig) -> Step:
    """The step, without images and objects. Raises BadInput when it is of another rig."""
    if tuple(message.joint_names) != rig.joint_names or len(message.points) != len(rig.arms) + 2:
        raise BadInput(f"a step of another rig than {rig.name}: joints {', '.join(message.joint_names)}")
    time_ns = from_stamp(message.header.stamp)
    try:
        number, intervention, gate = (int(number) for number in message.header.frame_id.split("/"))
        mode = Mode(number)
    except ValueError:
        raise BadInput(f"a step with frame_id {message.header.frame_id!r}; allowed: mode/intervention/gate") from None
    *arms, asked, sent = message.points
    joint_ns = tuple(time_ns + from_stamp(point.time_from_start) for point in arms)
    observation = Observation(
        qpos=_floats([value for point in arms for value in point.positions]),
        qvel=_floats([value for point in arms for value in point.velocities]),
        effort=_floats([value for point in arms for value in point.effort]),
        time_ns=min(joint_ns),
    )
    return Step(
        time_ns=time_ns,
        observation=observation,
        joint_ns=joint_ns,
        action_asked=_floats(asked.positions),
        action=_floats(sent.positions),
        mode=mode,
        intervention=intervention,
        gate=Gate(gate),
    )


def went_down(before: Sequence[int], now: Sequence[int]) -> tuple[int, ...]:
    """The buttons of a ``Joy`` that are down ``now`` and were not ``before``; the two may differ in length."""
    return tuple(i for i, down in enumerate(now) if down and (i >= len(before) or not before[i]))
