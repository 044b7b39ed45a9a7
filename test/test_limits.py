"""Limits: kept in every difference of the frames, by later frames on the same path; the way to rest keeps them too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from conftest import peak_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.limits import AHEAD, Limits, LimitsError, stretch, to_rest
from text2sign_ros.motion.transition import transition

FPS = 25.0
REST = skeleton.REST_POSE
ROBOT = Limits(1.5, 15.0, 300.0)
SEEDS = st.integers(0, 2**32 - 1)
ROUNDING = 0.01
"""What float32 adds to a jerk at most, m/s³; to the others less."""


def _pose(rng: np.random.Generator) -> np.ndarray:
    turn = 0.6 * rng.normal(size=(len(kinematics.CHAIN), 3))
    return kinematics.assemble(kinematics.unit(kinematics.bone_directions(REST) + turn), REST).astype(np.float32)


def _signing(seed: int, poses: int = 3, noise: float = 0.0) -> np.ndarray:
    """From rest through random poses, some of them held, back to rest."""
    rng = np.random.default_rng(seed)
    stops = [REST, *(_pose(rng) for _ in range(poses)), REST]
    parts = [REST[None]]
    for start, end in pairwise(stops):
        parts += [transition(start, end, int(rng.integers(5, 20))), np.repeat(end[None], rng.integers(1, 6), axis=0)]
    motion = np.concatenate(parts).astype(np.float32)
    tremble = rng.normal(scale=noise, size=motion.shape) if noise else np.zeros_like(motion)
    tremble[[0, -1]] = 0.0
    shaken = kinematics.with_canonical_lengths(motion + tremble).astype(np.float32)
    shaken[[0, -1]] = motion[[0, -1]]
    return shaken


def _cut(motion: np.ndarray, seed: int) -> list[np.ndarray]:
    places = np.unique(np.random.default_rng(seed).integers(1, len(motion), size=5))
    return np.split(motion, places)


def _stretch(pieces: list[np.ndarray], limits: Limits) -> np.ndarray:
    stretched = list(stretch(pieces, FPS, limits))
    assert len(stretched) == len(pieces) + bool(limits)
    return np.concatenate(stretched)


def _peaks(motion: np.ndarray) -> np.ndarray:
    """Largest velocity, acceleration and jerk of any keypoint, the standstills before and after included."""
    whole = np.concatenate((np.repeat(motion[:1], 3, axis=0), motion, np.repeat(motion[-1:], 3, axis=0))).astype(float)
    return np.array([np.linalg.norm(np.diff(whole, n=k, axis=0), axis=-1).max() * FPS**k for k in (1, 2, 3)])


def _assert_kept(motion: np.ndarray, limits: Limits) -> None:
    bounds = np.array([limit or np.inf for limit in (limits.velocity, limits.acceleration, limits.jerk)])
    assert (_peaks(motion) <= bounds + ROUNDING).all()


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e-6])
@pytest.mark.parametrize("name", ["velocity", "acceleration", "jerk"])
def test_invalid_limits_are_refused(name: str, value: float) -> None:
    with pytest.raises(LimitsError, match=name):
        Limits(**{name: value})


@settings(max_examples=25, deadline=None)
@given(
    SEEDS,
    st.sampled_from((0.0, 0.5, 1.5, 4.0)),
    st.sampled_from((0.0, 5.0, 15.0, 60.0)),
    st.sampled_from((0.0, 60.0, 300.0, 1500.0)),
    st.sampled_from((0.0, 0.001)),
)
def test_limits_are_kept_from_rest_to_rest(seed: int, v: float, a: float, j: float, noise: float) -> None:
    motion, limits = _signing(seed, noise=noise), Limits(v, a, j)
    stretched = _stretch(_cut(motion, seed), limits)
    _assert_kept(stretched, limits)
    assert len(stretched) >= len(motion) and stretched.dtype == np.float32
    np.testing.assert_array_equal(stretched[[0, -1]], motion[[0, -1]])
    lengths = kinematics.bone_lengths(stretched)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-5)


def _raised(angle: float) -> np.ndarray:
    """Rest with both arms and hands swung forward by ``angle`` radians."""
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array(((cosine, 0.0, -sine), (0.0, 1.0, 0.0), (sine, 0.0, cosine)))
    return kinematics.assemble(kinematics.bone_directions(REST) @ turn.T, REST).astype(np.float32)


def test_the_path_stays_the_same() -> None:
    rise = np.linspace(0.0, 1.0, 13)
    angles = 1.5 * (10 * rise**3 - 15 * rise**4 + 6 * rise**5)
    motion = np.stack([_raised(angle) for angle in (*angles, *angles[::-1])])
    motion[[0, -1]] = REST
    stretched = _stretch([motion], ROBOT)
    assert len(stretched) > 1.5 * len(motion)
    elbow, shoulder = skeleton.INDEX["left_elbow"], skeleton.INDEX["left_shoulder"]
    arm = stretched[:, elbow] - stretched[:, shoulder]
    start = REST[elbow] - REST[shoulder]
    passed = np.arctan2(arm[:, 0], -arm[:, 2]) - np.arctan2(start[0], -start[2])
    np.testing.assert_allclose(stretched, [_raised(angle) for angle in passed], atol=3e-4)  # it does nothing else
    assert passed.max() == pytest.approx(1.5, abs=1e-3)  # and all of it


def test_a_motion_within_the_limits_is_unchanged_bit_for_bit() -> None:
    motion = _signing(1, noise=0.001)
    pieces = _cut(motion, 1)
    for limits in (Limits(), Limits(100.0, 1e4, 1e6)):
        assert _stretch(pieces, limits).tobytes() == motion.tobytes()


@settings(max_examples=10, deadline=None)
@given(SEEDS, SEEDS)
def test_the_cuts_make_no_difference(seed: int, cuts: int) -> None:
    motion = _signing(seed)
    np.testing.assert_array_equal(_stretch(_cut(motion, cuts), ROBOT), _stretch([motion], ROBOT))


def test_only_a_few_frames_wait_for_the_next_piece() -> None:
    motion = np.repeat(REST[None], 30, axis=0)

    def pieces() -> Iterator[np.ndarray]:
        yield motion
        pytest.fail("asked for too early")

    assert len(next(stretch(pieces(), FPS, ROBOT))) == len(motion) - AHEAD + 1


def test_a_wild_piece_after_a_calm_one_does_not_break_the_limits() -> None:
    calm = _signing(2)[:-8]
    wild = _pose(np.random.default_rng(3))
    jump = np.concatenate((calm, np.repeat(wild[None], 5, axis=0), np.repeat(REST[None], 5, axis=0)))
    stretched = _stretch([jump[: len(calm)], jump[len(calm) :]], ROBOT)
    _assert_kept(stretched, ROBOT)
    np.testing.assert_array_equal(stretched[-1], REST)


def test_stretching_time_makes_no_jerk_of_its_own() -> None:
    motion = _signing(4)
    stretched = _stretch([motion], Limits(velocity=1.5))
    assert _peaks(motion)[0] > 3.0
    assert (_peaks(stretched)[1:] < _peaks(motion)[1:]).all()


def test_a_motion_that_jumps_beyond_all_bounds_is_refused() -> None:
    motion = np.repeat(REST[None], 40, axis=0).copy()
    motion[20:] += 1e6
    with pytest.raises(LimitsError, match="jumps"):
        _stretch([motion], Limits(jerk=1.0))


def test_memory_does_not_grow_with_the_number_of_pieces() -> None:
    piece = np.concatenate((_signing(5, poses=1), _signing(6, poses=1)))

    def peak(count: int) -> int:
        return peak_memory(stretch((piece for _ in range(count)), FPS, Limits(velocity=3.0)))

    peak(2)
    assert peak(25) < 1.2 * peak(5)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.0, 1.0), st.sampled_from((Limits(), ROBOT, Limits(0.5, 5.0, 60.0))))
def test_the_way_to_rest_goes_on_from_the_movement(seed: int, part: float, limits: Limits) -> None:
    motion = _stretch([_signing(seed)], limits)
    now = 3 + int(part * (len(motion) - 5))
    velocities = (motion[now + 1] - motion[now - 1]) * FPS / 2
    way = to_rest(motion[now], velocities, FPS, limits)
    np.testing.assert_array_equal(way[-1], REST)
    assert way.shape[1:] == (79, 3) and way.dtype == np.float32
    step = velocities / FPS
    before = motion[now] - step * np.arange(3, -1, -1)[:, None, None]
    still = np.repeat(REST[None], 3, axis=0)
    whole = np.concatenate((before, way, still)).astype(float)
    peaks = [np.linalg.norm(np.diff(whole, n=k, axis=0), axis=-1).max() * FPS**k for k in (1, 2, 3)]
    for peak, limit in zip(peaks, (limits.velocity, limits.acceleration, limits.jerk), strict=True):
        assert not limit or peak <= limit + ROUNDING
    seconds = len(way) / FPS
    assert 0.1 < seconds < (2.0 if not limits.velocity else 8.0)


def test_too_fast_to_stop_within_the_limits_still_comes_to_rest() -> None:
    motion = _signing(7)
    fastest = int(np.linalg.norm(np.diff(motion, axis=0), axis=-1).max(axis=1).argmax())
    velocities = (motion[fastest + 1] - motion[fastest]) * FPS
    way = to_rest(motion[fastest], velocities, FPS, Limits(0.2, 2.0, 30.0))
    np.testing.assert_array_equal(way[-1], REST)
    steps = np.linalg.norm(np.diff(way[12:], axis=0), axis=-1).max(axis=1)
    assert steps.max() * FPS <= 0.2 + ROUNDING
