"""The non-manual layer: head and brows alone move, smoothly, from rest and back to it, wherever the motion is cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.motion.nonmanual import EXPRESSIONS, ONSET, SHAKE_RATE, Passage, express
from text2sign_ros.motion.smoothing import smooth

FPS = 25.0
HEAD = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
REST_OF_BODY = np.setdiff1d(np.arange(79), HEAD)
BROWS = [i for i in HEAD if "brow" in skeleton.KEYPOINTS[i]]
NO_BROWS = np.setdiff1d(HEAD, BROWS)
NOSE, LEFT_EYE = skeleton.INDEX["nose"], skeleton.INDEX["left_eye"]
TAIL = 20
"""Frames of the way back to rest."""


def _motion(frames: int) -> np.ndarray:
    """Rest with a head that leans about and hands that move."""
    sway = np.sin(np.arange(frames) / 9.0)[:, None, None] * np.array((0.02, 0.03, 0.01))
    motion = np.repeat(skeleton.REST_POSE[None], frames, axis=0) + sway * (np.arange(79) % 74 < 40)[:, None]
    return motion.astype(np.float32)


def _passage(frames: int, *markers: str, ends: bool = False) -> Passage:
    return Passage(frames, frozenset(markers), ends)


def _still(*passages: Passage) -> np.ndarray:
    """What is expressed over a signer at rest."""
    frames = sum(passage.frames for passage in passages) + TAIL
    return np.concatenate([*express([np.repeat(skeleton.REST_POSE[None], frames, axis=0)], passages, FPS)])


def _yaw(motion: np.ndarray) -> np.ndarray:
    """Degrees that the line of the eyes is turned by."""
    eyes = motion[:, LEFT_EYE] - motion[:, skeleton.INDEX["right_eye"]]
    return np.degrees(np.arctan2(-eyes[:, 0], eyes[:, 1]))


def _brows(motion: np.ndarray) -> np.ndarray:
    """Metres that the brows are further from the mouth than at rest."""

    def height(pose: np.ndarray) -> np.ndarray:
        return np.linalg.norm(pose[..., BROWS, :] - pose[..., NOSE, None, :], axis=-1).mean(axis=-1)

    return height(motion) - height(skeleton.REST_POSE)


SCORES = st.lists(
    st.builds(
        Passage, st.integers(5, 40), st.frozensets(st.sampled_from([*EXPRESSIONS]), max_size=2), ends=st.booleans()
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(SCORES, st.lists(st.integers(0, 30), max_size=8))
def test_the_body_stays_and_cuts_make_no_difference(score: list[Passage], cuts: list[int]) -> None:
    motion = _motion(sum(passage.frames for passage in score) + TAIL)
    whole = np.concatenate(list(express([motion], score, FPS)))
    pieces = np.split(motion, np.minimum(np.cumsum(cuts), len(motion)).astype(int))
    out = list(express(pieces, score, FPS))
    assert [len(piece) for piece in out] == [len(piece) for piece in pieces]
    np.testing.assert_array_equal(np.concatenate(out), whole)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole[:, REST_OF_BODY], motion[:, REST_OF_BODY])
    np.testing.assert_array_equal(whole[[0, -1]], motion[[0, -1]])


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_the_face_keeps_its_geometry_and_the_head_its_smoothness(score: list[Passage]) -> None:
    motion = _still(*score).astype(float)

    def distances(pose: np.ndarray) -> np.ndarray:
        face = pose[..., NO_BROWS, :]
        return np.linalg.norm(face[..., :, None, :] - face[..., None, :, :], axis=-1)

    assert np.abs(distances(motion) - distances(skeleton.REST_POSE)).max() < 1e-6
    acceleration = np.linalg.norm(np.diff(motion, n=2, axis=0), axis=-1).max() * FPS**2
    assert acceleration < 15.0  # m/s², below what hands do


def test_nothing_to_express_is_the_same_motion() -> None:
    motion = _motion(60)
    for score in ([], [_passage(60)], [_passage(20, "plain", ends=True), _passage(20)]):
        np.testing.assert_array_equal(np.concatenate([*express([motion], score, FPS)]), motion)


def test_a_yes_no_question_raises_the_brows_and_brings_the_head_forward() -> None:
    motion = _still(_passage(50, "question", ends=True))
    held = slice(8, 50)
    assert _brows(motion)[held].min() > 0.004
    assert (motion[held, NOSE, 0] - skeleton.REST_POSE[NOSE, 0] > 0.01).all()
    np.testing.assert_array_equal(motion[50 + round(ONSET * FPS) :], skeleton.REST_POSE[None].repeat(13, axis=0))


def test_a_wh_question_lowers_the_brows_and_nothing_else() -> None:
    motion = _still(_passage(50, "wh", ends=True))
    assert _brows(motion)[8:50].max() < -0.003
    np.testing.assert_allclose(
        motion[:, NO_BROWS], skeleton.REST_POSE[None, NO_BROWS].repeat(len(motion), 0), atol=1e-7
    )


def test_negation_shakes_the_head_about_twice_a_second() -> None:
    yaw = _yaw(_still(_passage(100, "negation", ends=True)))
    assert 9.0 < yaw.max() <= 10.01 and -10.01 <= yaw.min() < -9.0
    spectrum = np.abs(np.fft.rfft(yaw[:100]))
    assert np.fft.rfftfreq(100, 1 / FPS)[spectrum.argmax()] == pytest.approx(SHAKE_RATE, abs=0.3)


def test_affirmation_nods() -> None:
    motion = _still(_passage(100, "affirmation", ends=True))
    drop = skeleton.REST_POSE[NOSE, 2] - motion[:, NOSE, 2]
    peaks = np.count_nonzero((drop[1:-1] > drop[:-2]) & (drop[1:-1] >= drop[2:]) & (drop[1:-1] > 0.01))
    assert drop.min() > -1e-6 and peaks in (6, 7)


def test_passages_of_one_sentence_are_one_span_and_two_questions_are_two() -> None:
    one = _brows(_still(_passage(30, "question"), _passage(30, "question", ends=True)))
    two = _brows(_still(_passage(30, "question", ends=True), _passage(30, "question", ends=True)))
    assert one[10:60].min() > 0.004
    assert two[25:45].min() < 1e-4 and two[45:60].min() > 0.004


def test_expressions_cross_over() -> None:
    brows = _brows(_still(_passage(30, "question", ends=True), _passage(30, "wh", ends=True)))
    assert brows[29] > 0.004 and brows[45] < -0.003 and (np.diff(brows[30:38]) <= 1e-7).all()


def test_nothing_is_asked_for_before_it_is_needed() -> None:
    def pieces() -> Iterator[np.ndarray]:
        yield _motion(20)
        pytest.fail("asked for a piece too early")

    def score() -> Iterator[Passage]:
        yield _passage(20, "question")
        pytest.fail("asked for a passage too early")

    assert len(next(express(pieces(), score(), FPS))) == 20


def test_smoothing_first_keeps_the_shake_whole() -> None:
    # The reason for its place: the other way round the smoothing flattens it, and each keypoint differently.
    still, score = np.repeat(skeleton.REST_POSE[None], 120, axis=0), [_passage(90, "negation", ends=True)]
    after = np.concatenate([*express(smooth([still], FPS), score, FPS)])
    before = np.concatenate([*smooth(express([still], score, FPS), FPS)])
    assert np.abs(_yaw(after)).max() > 9.5 > 9.0 > np.abs(_yaw(before)).max()


def test_an_unknown_marker_is_an_error() -> None:
    with pytest.raises(KeyError, match="smile"):
        list(express([_motion(30)], [_passage(10, "smile")], FPS))
