"""Chunks: no frame lost or duplicated, velocities as if the motion had never been cut, nothing consumed too early."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros.motion.chunks import ChunkError, chunks, frame_time

lengths = st.lists(st.integers(0, 20), max_size=6)


def _motion(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).normal(size=(frames, 79, 3)).astype(np.float32)


@given(lengths, st.integers(1, 12), st.sampled_from([24.0, 25.0, 29.97, 50.0]))
def test_cutting_changes_nothing(pieces: list[int], size: int, fps: float) -> None:
    motion = _motion(sum(pieces))
    out = list(chunks(np.split(motion, np.cumsum(pieces)[:-1]) if pieces else [], fps, size))

    assert [len(c) for c in out[:-1]] == [size] * max(len(out) - 1, 0)
    assert [c.last for c in out] == [False] * (len(out) - 1) + [True] * bool(out)
    assert [c.start for c in out] == [k * size for k in range(len(out))]
    if not out:
        assert not len(motion)
        return
    np.testing.assert_array_equal(np.concatenate([c.positions for c in out]), motion)
    expected = np.zeros_like(motion)
    expected[1:-1] = (motion[2:] - motion[:-2]) * (fps / 2)
    np.testing.assert_allclose(np.concatenate([c.velocities for c in out]), expected, rtol=1e-5, atol=1e-5)
    assert all(a.end_time == b.start_time for a, b in pairwise(out))


def test_first_chunk_leaves_as_soon_as_one_frame_more_exists() -> None:
    taken = 0

    def stream():
        nonlocal taken
        for frame in _motion(30):
            taken += 1
            yield frame[None]

    out = chunks(stream(), 25.0, 8)
    next(out)
    assert taken == 9
    next(out)
    assert taken == 17


def test_chunk_does_not_change_with_the_piece_it_came_from() -> None:
    piece = _motion(9)
    chunk = next(chunks([piece], 25.0, 8))
    before = chunk.positions.copy()
    piece[:] = 7.0
    np.testing.assert_array_equal(chunk.positions, before)


def test_frame_times_do_not_drift() -> None:
    assert frame_time(3, 25.0) == 120_000_000
    assert frame_time(30 * 3600, 30.0) == 3600 * 10**9


@pytest.mark.parametrize(
    ("pieces", "fps", "size", "says"),
    [
        ([], 0.0, 8, "fps is 0.0"),
        ([], float("nan"), 8, "positive"),
        ([], 25.0, 0, "at least 1"),
        ([np.zeros((4, 78, 3))], 25.0, 8, r"\(4, 78, 3\)"),
        ([np.zeros((79, 3))], 25.0, 8, r"\(79, 3\)"),
    ],
)
def test_bad_input_is_named(pieces: list[np.ndarray], fps: float, size: int, says: str) -> None:
    with pytest.raises(ChunkError, match=says):
        list(chunks(pieces, fps, size))
