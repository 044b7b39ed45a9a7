"""The lift from MediaPipe: a known 3-D signer seen by a camera comes back as that signer."""

from __future__ import annotations

import numpy as np
import pytest

from text2sign_ros import skeleton
from text2sign_ros.corpora.mediapipe import lift
from text2sign_ros.motion import kinematics

ASPECT, HAND_DEPTH, FPS = 0.75, 2.0, 15.0
PER_METRE = 0.4  # image widths
FRAMES = 12
# MediaPipe Pose landmark -> keypoint.
POSE = {0: "nose", 2: "left_eye", 5: "right_eye", 7: "left_ear", 8: "right_ear", 9: "mouth_left", 10: "mouth_right"}
POSE |= {11: "left_shoulder", 12: "right_shoulder", 13: "left_elbow", 14: "right_elbow", 15: "left_wrist"}
POSE |= {16: "right_wrist"}


def _signer() -> np.ndarray:
    """(79, 3) a canonical signer with both hands up, differently, arms bent toward the viewer."""
    directions = kinematics.bone_directions(skeleton.REST_POSE.astype(float))
    arms = {
        "left_elbow": (0.3, 0.5, -0.8),
        "left_wrist": (0.5, -0.2, 0.8),
        "right_elbow": (0.4, -0.1, -0.9),
        "right_wrist": (0.6, 0.3, 0.6),
    }
    spread = np.random.default_rng(0).normal(size=directions.shape)
    for i, (_, child) in enumerate(kinematics.CHAIN):
        name = skeleton.KEYPOINTS[child]
        directions[i] = arms.get(name, (0.2, 0.0, 1.0) + 0.4 * spread[i])
    return kinematics.assemble(kinematics.unit(directions), skeleton.REST_POSE.astype(float))


def _image(points: np.ndarray, depth: float) -> np.ndarray:
    """Metres to what MediaPipe reports: fractions of width and height, and a z toward the camera that is negative."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((0.5 + PER_METRE * y, 0.4 - PER_METRE * z / ASPECT, -PER_METRE * x / depth), axis=-1)


def _landmarks(signer: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    pose = np.zeros((FRAMES, 25, 4))
    for landmark, name in POSE.items():
        pose[:, landmark, :3] = _image(signer[skeleton.INDEX[name]], 0.3)
        pose[:, landmark, 3] = 1.0
    hands = {side: _image(signer[skeleton.GROUPS[f"{side}_hand"]], HAND_DEPTH) for side in ("left", "right")}
    return pose, {side: np.tile(hand, (FRAMES, 1, 1)) for side, hand in hands.items()}


def _lift(pose: np.ndarray, hands: dict[str, np.ndarray]):
    return lift(pose, hands, aspect=ASPECT, hand_depth=HAND_DEPTH, fps=FPS)


def test_the_signers_pose_is_recovered() -> None:
    signer = _signer()
    clip = _lift(*_landmarks(signer))
    assert clip.fps == FPS and len(clip) == FRAMES and (clip.confidence == 1).all()
    error = np.linalg.norm(clip.positions - signer, axis=-1)
    assert error.max() < 0.005, skeleton.KEYPOINTS[error.max(axis=0).argmax()]


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_the_size_in_the_image_does_not_matter(width: float) -> None:
    pose, hands = _landmarks(_signer())
    near = pose.copy()
    near[..., :3] *= width
    want, got = _lift(pose, hands), _lift(near, {side: width * hand for side, hand in hands.items()})
    np.testing.assert_allclose(got.positions, want.positions, atol=1e-5)


def test_a_raised_left_hand_is_the_left_hand() -> None:
    signer = skeleton.REST_POSE.astype(float).copy()
    directions = kinematics.bone_directions(signer)
    for i, (_, child) in enumerate(kinematics.CHAIN):
        if skeleton.KEYPOINTS[child] == "left_wrist":
            directions[i] = (0.0, 0.0, 1.0)
    positions = _lift(*_landmarks(kinematics.assemble(directions, signer))).positions
    left, right = (positions[0, skeleton.INDEX[f"{side}_wrist"]] for side in ("left", "right"))
    assert left[2] > right[2] + 0.3
    assert left[1] > 0 > right[1]


def test_a_hand_that_was_not_seen_has_no_confidence_and_the_other_keeps_its_own() -> None:
    pose, hands = _landmarks(_signer())
    hands["left"][:] = 0.0
    hands["right"][3:5] = 0.0
    clip = _lift(pose, hands)
    assert (clip.confidence[:, skeleton.GROUPS["left_hand"]] == 0).all()
    right = clip.confidence[:, skeleton.GROUPS["right_hand"]]
    assert (right[3:5] == 0).all() and (np.delete(right, [3, 4], axis=0) == 1).all()
    assert (clip.confidence[:, skeleton.GROUPS["body"]] == 1).all()


def test_bones_are_canonical_however_the_landmarks_shake() -> None:
    pose, hands = _landmarks(_signer())
    rng = np.random.default_rng(1)
    pose[..., :2] += rng.normal(scale=0.01, size=pose[..., :2].shape)
    hands = {side: hand + rng.normal(scale=0.01, size=hand.shape) for side, hand in hands.items()}
    lengths = kinematics.bone_lengths(_lift(pose, hands).positions)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-6)


def test_the_face_follows_the_head_rigidly() -> None:
    pose, hands = _landmarks(_signer())
    pose[FRAMES // 2 :, [2, 7, 9], 1] -= 0.01  # tilt: the left side of the head goes up
    clip = _lift(pose, hands)
    head = [*range(5), *range(*skeleton.GROUPS["face"].indices(79))]
    points = clip.positions[:, head].astype(float)
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-5)
    left, right = skeleton.INDEX["left_eye"], skeleton.INDEX["right_eye"]
    assert clip.positions[-1, left, 2] - clip.positions[-1, right, 2] > 0.005


def test_frames_without_a_body_have_no_confidence_and_a_take_without_any_is_an_error() -> None:
    pose, hands = _landmarks(_signer())
    pose[4] = 0.0
    assert (_lift(pose, hands).confidence[4] == 0).all()
    with pytest.raises(ValueError, match="not seen in any frame"):
        _lift(np.zeros_like(pose), hands)
