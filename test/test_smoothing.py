"""Smoothing: holds come to rest, movements stay, seams are not felt, and only a few frames wait for the next piece."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import peak_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.smoothing import REACH, smooth
from text2sign_ros.motion.transition import transition

FPS = 25.0
REST = skeleton.REST_POSE
HANDS = skeleton.HANDS


def _raised(angle: float) -> np.ndarray:
    """Rest with both arms and hands swung forward by ``angle`` radians."""
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array(((cosine, 0.0, -sine), (0.0, 1.0, 0.0), (sine, 0.0, cosine)))
    return kinematics.assemble(kinematics.bone_directions(REST) @ turn.T, REST).astype(np.float32)


def _trembling(frames: int, angle: float = 1.2) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=0.001, size=(frames, 79, 3))
    return kinematics.with_canonical_lengths(_raised(angle) + noise).astype(np.float32)


def _smooth(*pieces: np.ndarray) -> list[np.ndarray]:
    return list(smooth(pieces, FPS))


def _largest(motion: np.ndarray, order: int) -> np.ndarray:
    """Longest difference of any keypoint at every step, metres."""
    return np.linalg.norm(np.diff(motion.astype(float), n=order, axis=0), axis=-1).max(axis=1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_a_piece_comes_out_for_each_that_goes_in_and_what_is_left_and_no_frame_is_lost(lengths: list[int]) -> None:
    motion = _trembling(sum(lengths))
    pieces = np.split(motion, np.cumsum(lengths)[:-1])
    smoothed = _smooth(*pieces)
    assert len(smoothed) == len(pieces) + 1
    for number in range(1, len(pieces) + 1):
        out, came = sum(map(len, smoothed[:number])), sum(lengths[:number])
        assert out == max(0, came - REACH)
    whole = np.concatenate(smoothed)
    assert whole.shape == motion.shape and whole.dtype == np.float32
    np.testing.assert_array_equal(whole[[0, -1]], motion[[0, -1]])
    lengths_found = kinematics.bone_lengths(whole)
    np.testing.assert_allclose(
        lengths_found, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths_found.shape), atol=1e-6
    )


def test_a_piece_comes_out_before_the_next_is_asked_for() -> None:
    def pieces() -> Iterator[np.ndarray]:
        yield _trembling(20)
        pytest.fail("asked for too early")

    assert len(next(smooth(pieces(), FPS))) == 20 - REACH


def test_held_hands_come_to_rest() -> None:
    motion = _trembling(60)
    smoothed = np.concatenate(_smooth(motion))
    inner = slice(REACH, -REACH)
    before, after = (np.linalg.norm(np.diff(m[inner, HANDS], axis=0), axis=-1).mean() for m in (motion, smoothed))
    assert after < before / 3


def test_a_fast_movement_is_neither_clipped_nor_late() -> None:
    there = transition(_raised(0.0), _raised(1.2), 9)
    motion = np.concatenate((_raised(0.0)[None], there, there[::-1], _raised(0.0)[None]))
    smoothed = np.concatenate(_smooth(motion))
    assert _largest(motion, 1).max() > 0.1
    assert np.linalg.norm(smoothed - motion, axis=-1).max() < 0.01
    np.testing.assert_allclose(smoothed, smoothed[::-1], atol=1e-6)  # the same forward as backward: no phase


def test_a_step_of_velocity_at_a_seam_is_spread() -> None:
    angles = 0.4 + 0.06 * np.maximum(0, np.arange(-20, 20))
    motion = np.stack([_raised(angle) for angle in angles])
    at_seam, without = np.concatenate(_smooth(motion[:20], motion[20:])), np.concatenate(_smooth(motion))
    raw, spread = _largest(motion, 2).max(), _largest(at_seam, 2).max()
    assert spread < 0.4 * raw and spread < 0.6 * _largest(without, 2).max()
    np.testing.assert_array_equal(at_seam[: 20 - REACH], without[: 20 - REACH])
    assert np.linalg.norm(at_seam - motion, axis=-1).max() < 2 * raw


def test_a_jump_at_a_seam_is_spread() -> None:
    motion = np.concatenate((np.repeat(_raised(0.5)[None], 20, axis=0), np.repeat(_raised(0.6)[None], 20, axis=0)))
    at_seam = np.concatenate(_smooth(motion[:20], motion[20:]))
    assert _largest(at_seam, 2).max() < 0.2 * _largest(motion, 2).max()


def test_memory_does_not_grow_with_the_number_of_pieces() -> None:
    piece = _trembling(12)

    def peak(count: int) -> int:
        return peak_memory(smooth((piece for _ in range(count)), FPS))

    peak(5)
    assert peak(200) < 1.2 * peak(20)
