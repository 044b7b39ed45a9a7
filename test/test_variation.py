"""Another performance of a recording: the same bones, the same hand shapes, another pace and place."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.variation import paced, turned, varied
from text2sign_ros.motion import kinematics

RIGHT = skeleton.HAND["right"]


def _clip() -> SignClip:
    """A second and a half in which the right arm swings; the hand is lost for three frames."""
    swing = np.zeros((38, 79, 3))
    moved = [skeleton.INDEX["right_elbow"], skeleton.INDEX["right_wrist"], *range(RIGHT.start, RIGHT.stop)]
    swing[:, moved, 2] = 0.15 * np.sin(np.linspace(0, 6, 38))[:, None]
    positions = kinematics.with_canonical_lengths(skeleton.REST_POSE + swing).astype(np.float32)
    confidence = np.ones((38, 79), np.float32)
    confidence[10:13, RIGHT] = 0.0
    return SignClip(positions, confidence, 25.0)


def _shapes(motion: np.ndarray) -> np.ndarray:
    """Distances between all keypoints of the right hand, (T, 21, 21) metres."""
    hand = motion[:, RIGHT]
    return np.linalg.norm(hand[:, :, None] - hand[:, None], axis=-1)


def test_two_performances_differ_as_people_do_and_not_in_their_bones_or_hand_shapes() -> None:
    clip, rng = _clip(), np.random.default_rng(0)
    performances = [varied(clip, rng) for _ in range(40)]
    lengths = [len(one) for one in performances]
    assert 30 < min(lengths) < 37 and 39 < max(lengths) < 48
    for one in performances:
        bones = kinematics.bone_lengths(one.positions)
        np.testing.assert_allclose(bones, np.broadcast_to(kinematics.CANONICAL_LENGTHS, bones.shape), atol=1e-5)
        np.testing.assert_allclose(
            _shapes(one.positions), np.broadcast_to(_shapes(clip.positions)[:1], (len(one), 21, 21)), atol=1e-4
        )
    starts = np.stack([one.positions[0, skeleton.INDEX["right_wrist"]] for one in performances])
    assert 0.005 < starts.std(axis=0).max() < 0.05


def test_a_frame_next_to_one_that_was_not_seen_is_not_seen() -> None:
    for seed in range(20):
        one = varied(_clip(), np.random.default_rng(seed))
        lost = one.confidence[:, RIGHT.start] == 0
        assert 2 <= lost.sum() <= 8 and (one.confidence[:, : skeleton.GROUPS["left_hand"].start] == 1).all()


def test_times_run_from_the_first_frame_forward_to_the_last() -> None:
    for seed in range(50):
        at = paced(60, np.random.default_rng(seed), overall=0.3, changes=0.3)
        assert at[0] == 0 and (np.diff(at) > 0).all() and at[-1] == 59


def test_a_turn_of_nothing_changes_nothing() -> None:
    motion = _clip().positions
    np.testing.assert_allclose(turned(motion, np.random.default_rng(0), arms=0, hands=0), motion, atol=1e-6)
