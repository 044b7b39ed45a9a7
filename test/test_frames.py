"""Head and wrists as frames of reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from text2sign_ros.motion.frames import NAMES, frames
from text2sign_ros.skeleton import GROUPS, HEAD, INDEX, REST_POSE


def matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rodrigues' formula, which the code does not use."""
    v, w = quaternion[:3], quaternion[3]
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def turn(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    return matrix(np.append(np.sin(angle / 2) * np.array(axis), np.cos(angle / 2)))


def test_upright_head_is_not_turned() -> None:
    assert NAMES == ("head", "left_wrist", "right_wrist")
    origins, quaternions = frames(REST_POSE)
    np.testing.assert_allclose(quaternions[0], (0, 0, 0, 1), atol=1e-6)
    for row, name in enumerate(NAMES[1:], 1):
        np.testing.assert_allclose(origins[row], REST_POSE[INDEX[name]], atol=1e-6)
    np.testing.assert_allclose(origins[0, 1], 0.0, atol=1e-6)


def test_a_flat_hand_forward_with_the_palm_down_is_not_turned() -> None:
    pose = REST_POSE.astype(float)
    flat = np.zeros((21, 3))
    for finger, side in enumerate((-0.05, -0.03, 0.0, 0.03, 0.05)):  # the left hand's thumb is on its right
        flat[1 + 4 * finger : 5 + 4 * finger] = [[0.05 + 0.03 * k, side, 0.0] for k in range(4)]
    pose[GROUPS["left_hand"]] = flat + np.array((0.3, 0.2, 0.0))
    pose[GROUPS["right_hand"]] = flat * (1, -1, 1) + np.array((0.3, -0.2, 0.0))
    _, quaternions = frames(pose)
    np.testing.assert_allclose(quaternions[1:], [[0, 0, 0, 1]] * 2, atol=1e-6)


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.floats(-np.pi, np.pi))
@settings(max_examples=100, deadline=None)
def test_a_turned_signer_has_turned_frames(axis: tuple[float, float, float], angle: float) -> None:
    length = np.linalg.norm(axis)
    rotation = turn(tuple(np.array(axis) / length), angle) if length > 1e-3 else np.eye(3)
    before, after = frames(REST_POSE)[1], frames(REST_POSE @ rotation.T)[1]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(matrix(b), rotation @ matrix(a), atol=1e-5)


@given(arrays.arrays(np.float64, (79, 3), elements=st.sampled_from([0.0, 1.0, -1.0, 1e-9, 0.3])))
@settings(max_examples=100, deadline=None)
def test_any_points_give_rotations(points: np.ndarray) -> None:
    points[HEAD] = points[0] if points[1, 0] else points[HEAD]
    origins, quaternions = frames(points)
    assert np.isfinite(origins).all()
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=-1), 1.0, atol=1e-9)
