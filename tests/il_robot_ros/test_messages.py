"""Every conversion there and back again, and one line for messages that are not ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from calibration.rig_file import load_rig
from il_robot.errors import BadInput
from il_robot.types import ActionChunk, Floats, Frame, Gate, Mode, Observation, Step
from il_robot_ros import messages

RIG = load_rig("sim")
J = len(RIG.joints)
NAMES = RIG.arms[0].joint_names
times = st.integers(0, 2**31 * 10**9 - 1)
vectors = arrays(np.float32, J, elements=st.floats(width=32, allow_nan=False))
parts = arrays(np.float32, len(NAMES), elements=st.floats(width=32, allow_nan=False))


def sent(message: object) -> object:
    """As it arrives: through the wire's encoding."""
    return deserialize_message(serialize_message(message), type(message))


@given(times)
def test_stamps(time_ns: int) -> None:
    assert messages.from_stamp(messages.to_stamp(time_ns)) == time_ns


@given(times, parts, parts, parts, st.permutations(range(len(NAMES))))
def test_joint_states_in_any_order(time_ns: int, qpos: Floats, qvel: Floats, effort: Floats, order: list[int]) -> None:
    shuffled = [NAMES[i] for i in order]
    message = sent(messages.to_joint_state(shuffled, time_ns, qpos[order], qvel[order], effort[order]))
    assert messages.from_stamp(message.header.stamp) == time_ns
    for there, here in zip(messages.from_joint_state(message, NAMES), (qpos, qvel, effort), strict=True):
        np.testing.assert_array_equal(there, here)


def test_a_joint_state_without_velocity_and_effort_has_zeros() -> None:
    message = messages.to_joint_state(NAMES, 0, *[np.ones(7, np.float32)] * 3)
    message.velocity, message.effort = [], []
    position, velocity, effort = messages.from_joint_state(message, NAMES)
    assert position.all() and not velocity.any() and not effort.any()


@given(times, parts, st.permutations(range(len(NAMES))))
def test_commands(time_ns: int, target: Floats, order: list[int]) -> None:
    message = sent(messages.to_command([NAMES[i] for i in order], time_ns, target[order], RIG.period_ns))
    np.testing.assert_array_equal(messages.from_command(message, NAMES), target)
    assert messages.from_stamp(message.points[0].time_from_start) == RIG.period_ns


@settings(deadline=None)
@given(times, st.integers(1, 8).flatmap(lambda k: arrays(np.float32, (k, J), elements=st.floats(-4, 4, width=32))))
def test_chunks(start_ns: int, qpos: Floats) -> None:
    message = sent(messages.to_chunk(ActionChunk(qpos, start_ns, RIG.period_ns), RIG.joint_names))
    chunk = messages.from_chunk(message, RIG.joint_names, RIG.period_ns)
    np.testing.assert_array_equal(chunk.qpos, qpos)
    assert (chunk.start_ns, chunk.period_ns) == (start_ns, RIG.period_ns)


@given(st.binary(max_size=100), times, st.integers(0, 2**40))
def test_images(jpeg: bytes, time_ns: int, sequence: int) -> None:
    message = sent(messages.to_image("cam_high", Frame(jpeg, time_ns, 0)))
    assert messages.from_image(message, sequence) == Frame(jpeg, time_ns, sequence)
    assert message.header.frame_id == "cam_high_optical_frame"


@given(times, arrays(np.float32, 7, elements=st.floats(-4, 4, width=32)))
def test_poses(time_ns: int, pose: Floats) -> None:
    message = sent(messages.to_pose(time_ns, pose))
    np.testing.assert_array_equal(messages.from_pose(message), pose)
    assert messages.from_stamp(message.header.stamp) == time_ns


@settings(deadline=None)
@given(
    time_ns=st.integers(10**12, 2**31 * 10**9 - 1),
    ages_ns=st.tuples(*[st.integers(-(10**8), 10**9)] * 2),
    seen=st.tuples(vectors, vectors, vectors),
    actions=st.tuples(vectors, vectors),
    mode=st.sampled_from(Mode),
    intervention=st.integers(0, 1000),
    gate=st.integers(0, 31).map(Gate),
)
def test_steps(
    time_ns: int,
    ages_ns: tuple[int, int],
    seen: tuple[Floats, Floats, Floats],
    actions: tuple[Floats, Floats],
    mode: Mode,
    intervention: int,
    gate: Gate,
) -> None:
    joint_ns = tuple(time_ns - age_ns for age_ns in ages_ns)
    observation = Observation(seen[0], min(joint_ns), seen[1], seen[2])
    step = Step(time_ns, observation, joint_ns, *actions, mode, intervention, gate)
    there = messages.from_step(sent(messages.to_step(step, RIG)), RIG)
    assert (there.time_ns, there.joint_ns, there.observation.time_ns) == (time_ns, joint_ns, min(joint_ns))
    assert (there.mode, there.intervention, there.gate) == (mode, intervention, gate)
    pairs = [
        (there.observation.qpos, seen[0]),
        (there.observation.qvel, seen[1]),
        (there.observation.effort, seen[2]),
        (there.action_asked, actions[0]),
        (there.action, actions[1]),
    ]
    for arrived, given_ in pairs:
        assert arrived is not None and arrived.dtype == np.float32
        np.testing.assert_array_equal(arrived, given_)


def trajectory(names: tuple[str, ...], *rows: list[float]) -> JointTrajectory:
    return JointTrajectory(joint_names=list(names), points=[JointTrajectoryPoint(positions=row) for row in rows])


def test_messages_that_are_not_ours_are_bad_input_in_one_line() -> None:
    state = messages.to_joint_state(NAMES[1:], 0, *[np.zeros(6, np.float32)] * 3)
    with pytest.raises(BadInput, match="lacks waist"):
        messages.from_joint_state(state, NAMES)
    state = messages.to_joint_state(NAMES, 0, *[np.zeros(6, np.float32)] * 3)
    with pytest.raises(BadInput, match="6 values for 7 joints"):
        messages.from_joint_state(state, NAMES)
    with pytest.raises(BadInput, match="without a point"):
        messages.from_command(trajectory(NAMES), NAMES)
    with pytest.raises(BadInput, match="2 values for 7 joints"):
        messages.from_command(trajectory(NAMES, [0.0, 1.0]), NAMES)
    with pytest.raises(BadInput, match="without a point"):
        messages.from_chunk(trajectory(RIG.joint_names), RIG.joint_names, RIG.period_ns)
    with pytest.raises(BadInput, match="13 values for 14 joints"):
        messages.from_chunk(trajectory(RIG.joint_names, [0.0] * 13), RIG.joint_names, RIG.period_ns)
    slow = messages.to_chunk(ActionChunk(np.zeros((2, J), np.float32), 0, 2 * RIG.period_ns), RIG.joint_names)
    with pytest.raises(BadInput, match=r"a period of 40.0 ms; the rig has 20.0 ms"):
        messages.from_chunk(slow, RIG.joint_names, RIG.period_ns)
    with pytest.raises(BadInput, match="a step of another rig than sim"):
        messages.from_step(trajectory(NAMES, [0.0] * 7), RIG)


def test_a_pedal_message_of_any_length_is_understood() -> None:
    assert messages.went_down([], [0, 1, 0, 1]) == (1, 3)
    assert messages.went_down([0], [0, 0, 0, 1]) == (3,)
    assert messages.went_down([0, 0, 0, 1], [0, 0, 0, 1]) == ()
    assert messages.went_down([0, 0, 0, 1], []) == ()


def test_a_chunk_that_is_not_a_number_is_bad_input() -> None:
    qpos = np.zeros((3, len(RIG.joints)), np.float32)
    qpos[1, 2] = np.nan
    message = messages.to_chunk(ActionChunk(qpos, 10**18, RIG.period_ns), RIG.joint_names)
    with pytest.raises(BadInput, match="not numbers"):
        messages.from_chunk(message, RIG.joint_names, RIG.period_ns)


@pytest.mark.parametrize("frame_id", ["9/0/0", "0/0", "driver/0/0", ""])
def test_a_step_of_no_known_mode_is_one_line(frame_id: str) -> None:
    zeros = np.zeros(len(RIG.joints), np.float32)
    step = Step(1, Observation(zeros, 1, zeros, zeros), (1,) * len(RIG.arms), zeros, zeros, Mode.ROBOT)
    message = messages.to_step(step, RIG)
    message.header.frame_id = frame_id
    with pytest.raises(BadInput, match="allowed: mode/intervention/gate"):
        messages.from_step(message, RIG)
