"""Keypoints to rotations of bones: wrists, fingers, contacts, head and face of the avatar are those of the person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion import frames
from text2sign_ros.motion.kinematics import unit
from text2sign_ros.motion.nonmanual import Passage, express
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.viewer.bones import (
    SIDES,
    PoseError,
    Poser,
    between,
    from_vector,
    quaternions,
    rotation_vector,
)  # fmt: skip

WRISTS = [INDEX["left_wrist"], INDEX["right_wrist"]]


@pytest.fixture(scope="module")
def poser() -> Poser:
    return Poser()


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """(T, 79, 3) every third frame of words and letters, by the package's model."""
    pytest.importorskip("onnxruntime")
    from text2sign_ros.inference.signer import Signer
    from text2sign_ros.resources import default_bundle

    signer = Signer(default_bundle())
    return np.concatenate(list(signer.stream(signer.plan("thank you f w"), seed=0)))[::3]


def raised(shape: np.ndarray | None = None) -> np.ndarray:
    """(79, 3) the rest pose with the right hand before the chest."""
    pose = REST_POSE.astype(float)
    arm = [INDEX["right_elbow"], INDEX["right_wrist"], *range(*skeleton.HAND["right"].indices(79))]
    pose[arm[0]] = (0.12, -0.25, -0.27)
    pose[arm[1:]] += (0.30, -0.05, -0.1) - pose[arm[1]]
    return pose


def test_wrists_are_where_they_were_to_be(poser: Poser, motion: np.ndarray) -> None:
    errors, moved = [], []
    for frame, pose in zip(motion, poser.poses(motion), strict=True):
        shown = poser.keypoints(pose)
        targets = np.array([pose.targets[side] for side in SIDES])
        errors.append(np.linalg.norm(shown[WRISTS] - targets, axis=1))
        moved.append(np.linalg.norm(shown[WRISTS] - (frame - frame[skeleton.SHOULDERS].mean(axis=0))[WRISTS], axis=1))
    assert np.max(errors) < 1e-3
    assert (
        np.median(moved) < 0.010
    )  # its face and hands are not quite the canonical signer's, and its chest is in the way


def test_bones_keep_their_lengths_and_rotations_are_rotations(poser: Poser, motion: np.ndarray) -> None:
    avatar = poser.avatar
    for pose in poser.poses(motion[::5]):
        identity = pose.rotations @ pose.rotations.transpose(0, 2, 1)
        assert np.allclose(identity, np.eye(3), atol=1e-9) and (np.linalg.det(pose.rotations) > 0).all()
        _, at = avatar.joints(pose.rotations)
        lengths = np.linalg.norm(at[1:] - at[avatar.parents[1:]], axis=1)
        assert np.allclose(lengths, np.linalg.norm(avatar.offsets[1:], axis=1))
        still = [number for number, name in enumerate(avatar.names) if "brow" not in name and "mouth" not in name]
        assert not pose.shifts[still].any()


def test_phalanges_point_where_the_persons_do(poser: Poser, motion: np.ndarray) -> None:
    parents, children = np.array([bone for bone in skeleton.HAND_BONES if (bone[1] - 37) % 21 % 4 != 1]).T
    worst = []
    for frame, pose in zip(motion, poser.poses(motion), strict=True):
        shown = poser.keypoints(pose)
        cosine = (unit(shown[children] - shown[parents]) * unit(frame[children] - frame[parents])).sum(axis=1)
        worst.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    assert np.median(worst) < 5 and np.mean(worst) < 10


def test_a_thumb_that_touches_a_finger_still_does(poser: Poser, motion: np.ndarray) -> None:
    """Of F and W."""
    right = skeleton.HAND["right"]
    shown = np.array([poser.keypoints(pose) for pose in poser.poses(motion)])
    before, after = (finger_gaps(some[:, right]) for some in (motion, shown))
    touching = before < 0.018
    assert touching.sum() >= 3
    assert np.abs(after - before)[touching].mean() < 0.002
    assert (after[touching] < 0.025).all()


def finger_gaps(hand: np.ndarray) -> np.ndarray:
    """(T, 21, 3) -> (T, 12) metres from the thumb's tip to the middles of the other fingers' phalanges."""
    joints = hand[:, 5:].reshape(-1, 4, 4, 3)
    middles = (joints[:, :, 1:] + joints[:, :, :-1]) / 2
    return np.linalg.norm(middles.reshape(len(hand), -1, 3) - hand[:, None, 4], axis=-1)


def test_a_hand_at_the_chin_is_at_the_avatars_chin(poser: Poser) -> None:
    person = raised()
    hand = skeleton.HAND["right"]
    chin = (person[INDEX["right_jaw_chin"]] + person[INDEX["left_jaw_chin"]]) / 2
    person[[INDEX["right_wrist"], *range(hand.start, hand.stop)]] += (
        chin + np.array((0.005, 0, -0.01)) - person[hand.start + 12]
    )
    person[INDEX["right_elbow"]] = (0.15, -0.3, -0.2)
    poser.reset()
    shown = poser.keypoints(poser.pose(person))
    avatars = (shown[INDEX["right_jaw_chin"]] + shown[INDEX["left_jaw_chin"]]) / 2
    assert np.linalg.norm(avatars - chin) > 0.01  # its face is elsewhere
    assert np.linalg.norm(shown[hand.start + 12] - avatars) < np.linalg.norm(person[hand.start + 12] - chin) + 0.012


def test_a_hand_stays_out_of_the_chest(poser: Poser) -> None:
    """A person whose hand lies on a flatter chest than the avatar's."""
    person = raised()
    hand = skeleton.HAND["right"]
    person[[INDEX["right_wrist"], *range(hand.start, hand.stop)]] += np.array((0.02, -0.05, -0.2)) - person[hand.start]
    poser.reset()
    shown = poser.keypoints(poser.pose(person))[hand]
    shirt = next(surface for surface in poser.avatar.surfaces if surface.name == "shirt")
    for point in shown:
        near = np.linalg.norm(shirt.vertices[:, 1:] - point[1:], axis=1) < 0.02
        if near.any():
            assert point[0] > shirt.vertices[near, 0].max() - 0.01
    assert shown[:, 0].min() > person[hand, 0].min() + 0.03


def test_what_is_not_observed_stays(poser: Poser) -> None:
    poser.reset()
    first = poser.pose(raised())
    confidence = np.ones(79)
    confidence[skeleton.HAND["right"]] = 0
    hidden = raised()
    hidden[skeleton.HAND["right"]] = np.nan
    hidden[[INDEX["right_wrist"], INDEX["right_elbow"]]] += (0, 0, 0.05)
    second = poser.pose(hidden, confidence)
    fingers = [number for number, name in enumerate(poser.avatar.names) if "_0" in name and name.endswith("_r")]
    fingers = [n for n in fingers if "twist" not in poser.avatar.names[n]]
    assert np.allclose(first.rotations[fingers], second.rotations[fingers], atol=1e-9)
    assert second.targets["right"][2] == pytest.approx(first.targets["right"][2] + 0.05, abs=0.005)
    poser.reset()
    unseen = poser.pose(np.full((79, 3), np.nan), np.zeros(79))
    poser.reset()
    assert np.array_equal(unseen.rotations, poser.pose(REST_POSE).rotations)


def test_keypoints_that_are_wrong_are_refused(poser: Poser) -> None:
    with pytest.raises(PoseError, match=r"shape \(78, 3\)"):
        poser.pose(REST_POSE[:78])
    broken = REST_POSE.copy()
    broken[INDEX["left_elbow"], 1] = np.inf
    with pytest.raises(PoseError, match="left_elbow is not finite"):
        poser.pose(broken)


def test_the_head_turns_as_the_persons(poser: Poser) -> None:
    frame = [np.repeat(REST_POSE[None], 60, axis=0)]
    for marker in ("negation", "question"):
        for person in np.concatenate(list(express(frame, [Passage(40, frozenset({marker}), True)], 25.0)))[5:40:9]:
            poser.reset()
            pose = poser.pose(person)
            turned, _ = poser.avatar.joints(pose.rotations)
            assert np.allclose(turned[poser.avatar.index["head"]], frames.rotations(person)[0], atol=1e-6)


def test_brows_and_mouth_move(poser: Poser) -> None:
    def face(change: float, opened: float) -> np.ndarray:
        person = REST_POSE.astype(float)
        person[skeleton.BROWS, 2] += change
        person[INDEX["lower_lip_middle"], 2] -= opened
        poser.reset()
        return poser.keypoints(poser.pose(person))

    rest = face(0, 0)
    for change in (0.006, -0.005):
        risen = (face(change, 0) - rest)[skeleton.BROWS, 2]
        assert (np.sign(risen) == np.sign(change)).all() and np.abs(risen).max() > 0.5 * abs(change)
    lips = [INDEX["upper_lip_middle"], INDEX["lower_lip_middle"]]
    assert np.ptp(face(0, 0.02)[lips, 2]) > np.ptp(rest[lips, 2]) + 0.01


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.3))
def test_whatever_the_keypoints_the_pose_is_one(seed: int, noise: float) -> None:
    poser = _shared()
    person = raised() + np.random.default_rng(seed).normal(scale=noise, size=(79, 3))
    poser.reset()
    pose = poser.pose(person)
    assert np.allclose(pose.rotations @ pose.rotations.transpose(0, 2, 1), np.eye(3), atol=1e-8)
    assert np.isfinite(poser.keypoints(pose)).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3.1, 3.1), min_size=3, max_size=3))
def test_rotations_in_their_several_forms_agree(numbers: list[float]) -> None:
    from scipy.spatial.transform import Rotation

    vector = np.array(numbers)
    reference = Rotation.from_rotvec(vector)
    turn = from_vector(vector)
    assert np.allclose(turn, reference.as_matrix(), atol=1e-9)
    assert np.allclose(from_vector(rotation_vector(turn)), turn, atol=1e-6)
    w, *xyz = quaternions(turn[None])[0]
    assert abs(np.dot([*xyz, w], reference.as_quat())) == pytest.approx(1, abs=1e-9)
    way = unit(np.array((1.0, 2.0, -0.5)))
    assert np.allclose(between(way, turn @ way) @ way, turn @ way, atol=1e-5)


def test_half_a_turn_between_ways_is_one() -> None:
    for way in np.eye(3):
        assert np.allclose(between(way, -way) @ way, -way)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_letters_that_the_avatar_shows_are_read(corpus: list) -> None:
    """Of held-out real takes; ``experiments/avatar_letters.py`` measures more of them."""
    pytest.importorskip("torch")
    from experiments.avatar_letters import measure

    measured = measure(corpus, takes=2)
    assert measured.before >= 0.95
    assert measured.after >= 0.90


_POSERS: list[Poser] = []


def _shared() -> Poser:
    """One for all examples: a fixture of a module can't be used with ``given`` without a warning."""
    if not _POSERS:
        _POSERS.append(Poser())
    return _POSERS[0]
