from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_robot.errors import BadInput
from il_robot.policies.inputs import CameraInput, Inputs, image_of, images_of, rotation_columns, state_of
from il_robot.types import Observation

POSE = np.array([0.1, 0.2, 0.3, 1, 0, 0, 0], np.float32)


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_rotation_columns_are_orthonormal_and_blind_to_the_sign(quaternion: tuple[float, ...]) -> None:
    unit = (np.array(quaternion) / np.linalg.norm(quaternion)).astype(np.float32)
    columns = rotation_columns(unit).reshape(2, 3)
    np.testing.assert_allclose(columns @ columns.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(rotation_columns(-unit), rotation_columns(unit), atol=1e-6)


def test_a_quarter_turn_about_z() -> None:
    half = np.float32(np.sqrt(0.5))
    np.testing.assert_allclose(rotation_columns(np.array([half, 0, 0, half])), [0, 1, 0, -1, 0, 0], atol=1e-6)


def test_state_is_joints_then_objects() -> None:
    inputs = Inputs(("a", "b"), ("cube",))
    state = state_of(np.array([5.0, 6.0], np.float32), {"cube": POSE}, inputs)
    np.testing.assert_allclose(state, [5, 6, 0.1, 0.2, 0.3, 1, 0, 0, 0, 1, 0])
    assert state.shape == (inputs.state_size,) == inputs.least_spread.shape


def test_what_is_missing_is_named() -> None:
    inputs = Inputs(("a", "b"), ("cube",), (CameraInput("cam_high", 4, 4),))
    qpos = np.zeros(2, np.float32)
    with pytest.raises(BadInput, match=r"no object 'cube'.*cub_e"):
        state_of(qpos, {"cub_e": POSE}, inputs)
    with pytest.raises(BadInput, match="3 joints; the policy needs 2"):
        state_of(np.zeros(3, np.float32), {"cube": POSE}, inputs)
    with pytest.raises(BadInput, match=r"no camera 'cam_high'.*cam_hgh"):
        images_of(Observation(qpos, 0, images={"cam_hgh": np.zeros((4, 4, 3), np.uint8)}), inputs)


def test_images_come_at_the_policys_resolution_from_any_size() -> None:
    camera = CameraInput("top", 6, 8)
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    small = image_of(stripes, camera)
    assert small.shape == (6, 8, 3)
    assert np.ptp(small) <= 1, "shrinking averages areas, it does not pick pixels"
    assert image_of(np.zeros((3, 4, 3), np.uint8), camera).shape == (6, 8, 3)
    assert image_of(small, camera) is small
