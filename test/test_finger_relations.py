"""Relations between fingers on hands that were made to have them, and their agreement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, Example, Kind, Unit
from text2sign_ros.evaluation.finger_relations import (
    Relations,
    agreement,
    agreement_through,
    palm_frame,
    relations,
)
from text2sign_ros.evaluation.hand_reader import with_order

SIDES = ("left", "right")
_FINGERS = (1, 5, 9, 13, 17)


def flat_hand() -> np.ndarray:
    """(21, 3) a right hand, palm to the viewer, fingers up, thumb to the signer's left: x forward, y left, z up."""
    hand = np.zeros((21, 3))
    for finger, across in zip(_FINGERS, (0.055, 0.02, 0.0, -0.02, -0.04), strict=True):
        for joint in range(4):
            hand[finger + joint] = (0.0, across, (0.03 if finger == 1 else 0.09) + 0.03 * joint)
    return hand


def shown(hand: np.ndarray, side: str) -> Relations:
    """Relations of that hand as a ``side`` one, turned and moved somehow: they must not depend on it."""
    if side == "left":
        hand = hand * (1, -1, 1)
    turn = Rotation.from_rotvec((0.4, -1.0, 2.0)).as_matrix()
    return relations((hand @ turn.T + (0.3, -0.2, 0.1))[None])


def test_axes_of_an_upright_palm() -> None:
    np.testing.assert_allclose(palm_frame(flat_hand()), [(0, 1, 0), (0, 0, 1), (1, 0, 0)], atol=1e-9)


@pytest.mark.parametrize("side", SIDES)
def test_a_flat_hand_crosses_and_touches_nothing(side: str) -> None:
    found = shown(flat_hand(), side)
    np.testing.assert_allclose(found.order_mm, [[20, 20, 20]], atol=1e-6)
    np.testing.assert_allclose(found.spread_degrees, 0, atol=1e-4)
    tips = np.linalg.norm([(35 + 20 * finger, 60) for finger in range(4)], axis=1)
    np.testing.assert_allclose(found.tip_gap_mm, [tips], atol=1e-6)
    # The thumb's tip is level with the middle of the fingers' first phalanges.
    np.testing.assert_allclose(found.finger_gap_mm, [[35, 55, 75, 95]], atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_r_is_index_across_middle(side: str) -> None:
    hand = flat_hand()
    hand[8] = hand[12] + (0.01, -0.013, 0.0)  # in front of the middle finger's tip, and 13 mm past it
    found = shown(hand, side)
    np.testing.assert_allclose(found.order_mm, [[-13, 20, 20]], atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_the_thumb_touches_tips_and_bones(side: str) -> None:
    hand = flat_hand()
    hand[4] = hand[12] + (0.004, 0.0, 0.0)
    found = shown(hand, side)
    assert found.tip_gap_mm[0, 1] == pytest.approx(4) and found.finger_gap_mm[0].argmin() == 1
    hand[4] = (hand[17] + hand[18]) / 2 + (0.006, 0, 0)  # the middle of the little finger's first phalanx
    found = shown(hand, side)
    assert found.finger_gap_mm[0, 3] == pytest.approx(6)
    assert found.tip_gap_mm[0, 3] > 60, "the tip is elsewhere"


def test_spread_is_an_angle_between_first_phalanges() -> None:
    hand = flat_hand()
    turn = Rotation.from_rotvec((-20, 0, 0), degrees=True).as_matrix()
    hand[5:9] = hand[5] + (hand[5:9] - hand[5]) @ turn.T
    found = shown(hand, "right")
    np.testing.assert_allclose(found.spread_degrees, [[20, 0, 0]], atol=1e-4)
    assert found.order_mm[0, 0] > 45


@pytest.mark.parametrize("order", [-12.0, 0.0, 30.0])
def test_an_index_finger_can_be_given_an_order(order: float) -> None:
    hand = np.repeat(flat_hand()[None], 3, axis=0)
    turned = with_order(hand, np.array([order, 20.0, order]))
    np.testing.assert_allclose(relations(turned).order_mm[:, 0], [order, 20.0, order], atol=0.1)
    np.testing.assert_allclose(np.delete(turned, range(6, 9), axis=1), np.delete(hand, range(6, 9), axis=1))


def _take(text: str, hand: np.ndarray, side: str = "right", frames: int = 30) -> Example:
    positions = np.repeat(skeleton.REST_POSE[None].astype(float), frames, axis=0)
    keypoints = skeleton.HAND[side]
    positions[:, keypoints] = hand * ((1, -1, 1) if side == "left" else (1, 1, 1)) + (0.3, 0.0, 0.1)
    clip = SignClip(positions, np.ones((frames, 79)), FPS)
    return Example(text, clip, (Unit(text, Kind.LETTER),), "", f"{text}/{side}", "test", "here", "MIT")


def crossed() -> np.ndarray:
    hand = flat_hand()
    hand[8] = hand[12] + (0.01, -0.013, 0.0)
    hand[4] = hand[14] + (0.01, 0.0, 0.0)  # as in R, the thumb holds the ring finger
    return hand


@pytest.mark.parametrize("side", SIDES)
def test_a_lost_crossing_is_seen_by_letter(side: str) -> None:
    takes = [_take("r", crossed(), side), _take("u", flat_hand(), side)]

    def lose(positions: np.ndarray) -> np.ndarray:
        return np.where(np.isclose(positions, takes[0].clip.positions).all(), takes[1].clip.positions, positions)

    overall, by_letter = agreement_through(lose, takes)
    r, u = by_letter["r"], by_letter["u"]
    assert (r.crossed, r.order, r.touching) == (0.0, pytest.approx(2 / 3), 0.0)
    assert (r.order_mm, r.other_order_mm) == (pytest.approx(-13, abs=0.01), pytest.approx(20, abs=0.01))
    assert r.contact < 1
    assert (u.order, u.contact, u.crossed, u.touching, u.spread_degrees) == (1, 1, None, None, 0)
    assert overall.order == pytest.approx(5 / 6) and overall.frames == 60


def test_the_same_hands_agree_in_everything() -> None:
    takes = [_take("r", crossed()), _take("u", flat_hand(), "left")]
    overall, _ = agreement(takes, [take.clip.positions for take in takes])
    assert (overall.order, overall.crossed, overall.contact, overall.touching) == (1, 1, 1, 1)
    assert overall.spread_degrees == 0


def test_a_few_crossings_tell_nothing() -> None:
    takes = [_take("r", crossed(), frames=24)]
    overall, _ = agreement(takes, [take.clip.positions for take in takes])
    assert (overall.order, overall.crossed, overall.touching) == (1, None, None)


def test_what_is_not_observed_or_at_rest_does_not_count() -> None:
    take = _take("r", crossed())
    take.clip.confidence[2:4, skeleton.HAND["right"]] = 0
    other = take.clip.positions.copy()
    other[2:4] += np.random.default_rng(0).normal(size=other[2:4].shape)
    other[:, skeleton.HAND["left"]] = 0.0  # the left hand rests
    overall, _ = agreement([take], [other])
    assert overall.frames == 28 and overall.crossed == 1
    take.clip.confidence[:] = 0
    with pytest.raises(ValueError, match="no take has a hand"):
        agreement([take], [other])
