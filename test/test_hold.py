"""Holds: a motion slows down to a standstill on its own path and sets off again."""

from __future__ import annotations

import numpy as np
import pytest

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.hold import accelerate, brake


def _path(frames: int) -> np.ndarray:
    """Both arms swinging forward, 0.05 radians a frame."""
    angles = 0.05 * np.arange(frames)
    zero = np.zeros_like(angles)
    turns = np.array(
        (
            (np.cos(angles), zero, -np.sin(angles)),
            (zero, zero + 1, zero),
            (np.sin(angles), zero, np.cos(angles)),
        )
    ).transpose(2, 1, 0)
    rest = np.repeat(skeleton.REST_POSE[None], frames, axis=0)
    return kinematics.assemble(kinematics.bone_directions(rest) @ turns, rest).astype(np.float32)


def _steps(motion: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(motion, axis=0), axis=-1).max(axis=1)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_it_slows_down_evenly_and_ends_on_the_last_frame(frames: int) -> None:
    path = _path(frames + 1)
    motion = brake(path)
    assert motion.shape == (2 * frames, 79, 3) and motion.dtype == np.float32
    np.testing.assert_allclose(motion[-1], path[-1], atol=1e-6)
    steps = _steps(np.concatenate((path[:1], motion)))
    assert (np.diff(steps) < 1e-5).all() and steps[-1] < 0.2 * _steps(path)[-1]
    lengths = kinematics.bone_lengths(motion)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-6)


def test_it_starts_at_the_speed_of_the_path() -> None:
    path = _path(5)
    assert _steps(np.concatenate((path[:1], brake(path))))[0] > 0.9 * _steps(path)[0]


def test_accelerating_is_braking_in_reverse() -> None:
    path = _path(5)
    there, back = np.concatenate((path[:1], accelerate(path))), np.concatenate((path[-1:], brake(path[::-1])))
    np.testing.assert_allclose(there, back[::-1], atol=1e-6)


def test_no_path_is_no_frames() -> None:
    assert len(brake(_path(1))) == len(accelerate(_path(1))) == 0
