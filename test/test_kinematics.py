"""Kinematics: directions and positions are two views of one skeleton whose bones never change length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics

REST = skeleton.REST_POSE.astype(float)


def _directions(seed: int, frames: int = 3) -> np.ndarray:
    return kinematics.unit(np.random.default_rng(seed).normal(size=(frames, len(kinematics.CHAIN), 3)))


def test_the_chain_reaches_every_keypoint_of_arms_and_hands_once() -> None:
    children = [child for _, child in kinematics.CHAIN]
    arms = [skeleton.INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]
    roots = [skeleton.INDEX[f"{side}_hand_root"] for side in ("left", "right")]
    hands = [i for name in ("left_hand", "right_hand") for i in range(*skeleton.GROUPS[name].indices(79))]
    assert sorted(children) == sorted(set(arms + hands) - set(roots))


def test_the_rest_pose_comes_back_from_its_own_directions() -> None:
    np.testing.assert_allclose(kinematics.assemble(kinematics.bone_directions(REST), REST), REST, atol=1e-7)


@given(st.integers(0, 2**32 - 1))
def test_directions_come_back_from_the_positions_they_make(seed: int) -> None:
    directions = _directions(seed)
    positions = kinematics.assemble(directions, np.broadcast_to(REST, (3, 79, 3)))
    np.testing.assert_allclose(kinematics.bone_directions(positions), directions, atol=1e-9)
    lengths = np.broadcast_to(kinematics.CANONICAL_LENGTHS, (3, len(kinematics.CHAIN)))
    np.testing.assert_allclose(kinematics.bone_lengths(positions), lengths, atol=1e-7)


@pytest.mark.parametrize("side", ["left", "right"])
def test_hands_are_welded_to_the_wrists(side: str) -> None:
    positions = kinematics.assemble(_directions(0), np.broadcast_to(REST, (3, 79, 3)))
    wrist, root = (positions[:, skeleton.INDEX[f"{side}_{name}"]] for name in ("wrist", "hand_root"))
    np.testing.assert_array_equal(wrist, root)


def test_head_and_shoulders_are_those_of_the_base() -> None:
    base = np.random.default_rng(1).normal(size=(3, 79, 3))
    kept = sorted(set(range(79)) - {child for _, child in kinematics.CHAIN})
    positions = kinematics.assemble(_directions(1), base)
    roots = [skeleton.INDEX["left_hand_root"], skeleton.INDEX["right_hand_root"]]
    kept = [i for i in kept if i not in roots]
    np.testing.assert_array_equal(positions[:, kept], base[:, kept])


def test_the_canonical_arms_have_the_lengths_of_the_skeleton() -> None:
    lengths = dict(zip(kinematics.CHAIN, kinematics.CANONICAL_LENGTHS, strict=True))
    for side in ("left", "right"):
        shoulder, elbow, wrist = (skeleton.INDEX[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        assert lengths[shoulder, elbow] == pytest.approx(skeleton.UPPER_ARM, abs=1e-6)
        assert lengths[elbow, wrist] == pytest.approx(skeleton.FOREARM, abs=1e-6)


def test_a_bone_of_no_length_points_down() -> None:
    np.testing.assert_array_equal(kinematics.unit(np.zeros((2, 3))), [[0, 0, -1]] * 2)


def test_the_kind_of_numbers_stays() -> None:
    for kind in (np.float32, np.float64):
        assert kinematics.with_canonical_lengths(skeleton.REST_POSE.astype(kind)).dtype == kind
