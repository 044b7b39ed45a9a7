"""Transition: starts and ends as specified, keeps the length of every bone, and never throws an arm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.transition import frames_between, transition

REST = skeleton.REST_POSE.astype(float)
SEEDS = st.integers(0, 2**32 - 1)


def _pose(seed: int) -> np.ndarray:
    """Rest with every bone of arms and hands turned by up to a right angle and more."""
    turn = np.random.default_rng(seed).normal(size=(len(kinematics.CHAIN), 3))
    return kinematics.assemble(kinematics.unit(kinematics.bone_directions(REST) + turn), REST)


def _pointing(direction: tuple[float, float, float]) -> np.ndarray:
    """The right arm and hand stretched out in one direction, all else at rest."""
    directions = kinematics.bone_directions(REST)
    for i, (_, child) in enumerate(kinematics.CHAIN):
        if skeleton.KEYPOINTS[child].startswith("right"):
            directions[i] = direction
    return kinematics.assemble(directions, REST)


def _steps(start: np.ndarray, between: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(frames + 1,) the longest way of any keypoint in each step."""
    return np.linalg.norm(np.diff(np.concatenate((start[None], between, end[None])), axis=0), axis=-1).max(axis=1)


@settings(max_examples=30)
@given(SEEDS, SEEDS, st.integers(1, 30))
def test_bones_keep_their_length(first: int, second: int, frames: int) -> None:
    between = transition(_pose(first), _pose(second), frames)
    assert between.shape == (frames, 79, 3) and between.dtype == np.float32
    lengths = np.broadcast_to(kinematics.CANONICAL_LENGTHS, (frames, len(kinematics.CHAIN)))
    np.testing.assert_allclose(kinematics.bone_lengths(between), lengths, atol=1e-6)


def test_it_leaves_and_arrives_standing_still() -> None:
    start, end = _pose(1), _pose(2)
    steps = _steps(start, transition(start, end, 99), end)
    # Position grows with the cube of time at the ends of a minimum-jerk movement.
    assert steps[0] < 0.01 * steps.max() and steps[-1] < 0.01 * steps.max()


def test_it_takes_over_the_movement_before_and_passes_on_the_one_after() -> None:
    whole = transition(_pose(3), _pose(4), 599).astype(float)
    start, end = whole[200], whole[400]
    start_step, end_step = start - whole[199], whole[401] - end
    between = transition(start, end, 199, start_step=start_step, end_step=end_step)
    speed = np.linalg.norm(start_step, axis=-1).max()
    assert speed > 1e-3
    np.testing.assert_allclose(between[0] - start, start_step, atol=0.05 * speed)
    np.testing.assert_allclose(end - between[-1], end_step, atol=0.05 * speed)
    standing = transition(start, end, 199)
    assert np.abs(standing[0] - start - start_step).max() > 0.5 * speed  # it is the arguments that make it so


def test_no_frames_is_an_empty_stretch() -> None:
    assert transition(_pose(1), _pose(2), 0).shape == (0, 79, 3)


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.0, 0.8)])
def test_an_arm_turning_half_round_does_not_jump(direction: tuple[float, float, float]) -> None:
    start, end = _pointing(direction), _pointing(tuple(-x for x in direction))
    between = transition(start, end, 49)
    assert np.isfinite(between).all()
    reach = skeleton.UPPER_ARM + skeleton.FOREARM + 0.2
    # Minimum jerk peaks at 1.875 times the mean speed; the way round is half a circle, a detour included.
    assert _steps(start, between, end).max() < 1.5 * 1.875 * np.pi * reach / 50


def test_from_a_pose_to_itself_nothing_moves() -> None:
    pose = _pose(5)
    np.testing.assert_allclose(transition(pose, pose, 7), np.broadcast_to(pose, (7, 79, 3)), atol=1e-6)


def test_further_takes_longer_but_less_than_in_proportion() -> None:
    def frames(distance: float) -> int:
        moved = REST.copy()
        moved[skeleton.GROUPS["right_hand"]] += (distance, 0.0, 0.0)
        return frames_between(REST, moved, 25.0)

    counts = [frames(d) for d in (0.0, 0.05, 0.2, 0.8)]
    assert counts == sorted(set(counts)) and counts[0] >= 1
    assert counts[3] < 4 * counts[1]
    assert frames_between(REST, REST, 100.0) > frames_between(REST, REST, 25.0)


def test_the_rate_of_a_movement_is_seconds_not_frames() -> None:
    moved = _pose(6)
    slow, fast = (frames_between(REST, moved, fps) + 1 for fps in (25.0, 100.0))
    assert fast == pytest.approx(4 * slow, abs=4)
