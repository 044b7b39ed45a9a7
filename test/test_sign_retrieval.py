"""Retrieval among signs: what changes from one performance to the next must not matter, what makes the sign must."""

from __future__ import annotations

import numpy as np
import pytest
from test_finger_relations import flat_hand

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.sign_retrieval import (
    FRAMES,
    SignRetrievalError,
    by_sign,
    copying,
    describe,
    distances,
    found,
    read_rates,
)

SIGNS = 30


def sign(number: int, frames: int = 40, seed: int = 0) -> np.ndarray:
    """(frames, 79, 3): a way of the right hand, and for every third sign of the left hand too, with hand shapes that
    change; the performance ``seed`` is a little elsewhere, at another pace, with noise."""
    rng = np.random.default_rng((number, 77))
    motion = np.repeat(skeleton.REST_POSE[None].astype(float), frames, axis=0)
    own = np.random.default_rng((number, seed, 5))
    time = np.linspace(0, 1, frames) ** np.exp(own.normal(scale=0.15 * (seed > 0)))
    for side, sides in (("right", (1, -1)), ("left", (1, 1)))[: 1 + (number % 3 == 0)]:
        at = np.array((0.3, -0.15 * sides[1] * -1, 0.05)) + rng.uniform(-0.15, 0.15, 3)
        way = rng.normal(scale=0.12, size=(2, 3))
        place = at + np.sin(np.pi * time)[:, None] * way[0] + time[:, None] * way[1]
        shapes = flat_hand() + rng.normal(scale=0.012, size=(2, 21, 3))
        hand = shapes[0] + time[:, None, None] * (shapes[1] - shapes[0])
        hand = hand * (1, -1, 1) if side == "left" else hand
        place = place + own.normal(scale=0.02 * (seed > 0), size=3)
        motion[:, skeleton.HAND[side]] = hand - hand[:, :1] + place[:, None]
        motion[:, skeleton.INDEX[f"{side}_wrist"]] = place
    if seed:
        motion[:, skeleton.HANDS] += own.normal(scale=0.002, size=motion[:, skeleton.HANDS].shape)
    return motion


NAMES = [f"sign {number}" for number in range(SIGNS)]


@pytest.fixture(scope="module")
def takes() -> list[np.ndarray]:
    return [sign(number) for number in range(SIGNS)]


def test_another_performance_is_found(takes: list[np.ndarray]) -> None:
    others = [sign(number, frames=55, seed=1)[2:-3] for number in range(SIGNS)]
    figures, rank = found(NAMES, distances(describe(others), describe(takes)), NAMES)
    assert figures.recall_1 >= 0.95 and figures.recall_5 == 1 and figures.median_rank == 1
    assert (figures.motions, figures.signs) == (SIGNS, SIGNS) and rank.shape == (SIGNS,)


def test_the_way_from_and_to_rest_does_not_count(takes: list[np.ndarray]) -> None:
    rest = np.repeat(skeleton.REST_POSE[None], 20, axis=0)
    longer = [np.concatenate((rest, motion, rest)) for motion in takes]
    apart = distances(describe(longer), describe(takes))
    assert np.abs(np.diag(apart)).max() < 0.02 < np.sort(apart, axis=1)[:, 1].min()


@pytest.mark.parametrize("change", ["place", "turn", "shape", "hand"])
def test_what_makes_the_sign_counts(takes: list[np.ndarray], change: str) -> None:
    one, other = takes[1], takes[1].copy()
    hand, wrist = skeleton.HAND["right"], skeleton.INDEX["right_wrist"]
    if change == "place":
        other[:, hand] += (0.0, 0.0, 0.36)
        other[:, wrist] += (0.0, 0.0, 0.36)
    elif change == "turn":
        other[:, hand] = other[:, hand, :][..., [0, 2, 1]] * (1, 1, -1)
        other[:, hand] += one[:, [wrist]] - other[:, [hand.start]]
    elif change == "shape":
        other[:, hand.start + 5 : hand.start + 9] = one[:, [hand.start + 5]]
    else:
        other = other.copy()
        other[:, skeleton.HAND["left"]] += (0.2, 0.0, 0.5)
        other[:, skeleton.INDEX["left_wrist"]] += (0.2, 0.0, 0.5)
    assert distances(describe([one]), describe([other])).item() > 0.15
    assert distances(describe([one]), describe([one])).item() < 1e-3


def test_a_place_a_shoulder_width_off_counts_as_one_for_that_hand(takes: list[np.ndarray]) -> None:
    other = takes[1].copy()
    for side in skeleton.HAND:
        other[:, skeleton.HAND[side]] += (0.0, 0.36, 0.0)
    assert distances(describe([takes[1]]), describe([other])).item() == pytest.approx(1, abs=1e-3)


def test_frames_and_hands_that_were_not_observed_do_not_count(takes: list[np.ndarray]) -> None:
    spoilt, seen = takes[0].copy(), np.ones((40, 79))
    seen[10:20, skeleton.HAND["right"]] = 0
    spoilt[10:20, skeleton.HAND["right"], :2] += 5.0
    spoilt[:, skeleton.HAND["left"]] += 7.0
    seen[:, skeleton.HAND["left"]] = 0
    masked = describe([spoilt], [seen])
    assert masked.seen.shape == (1, 2 * FRAMES) and 0 < masked.seen.sum() < FRAMES
    whole = describe([takes[0]])
    # The clock goes by all that moves, so the moments differ a little.
    assert distances(masked, whole).item() < 0.2 < distances(describe([spoilt]), whole).item()
    nothing = describe([spoilt], [np.zeros((40, 79))])
    assert np.isinf(distances(nothing, whole)).all()


def test_ranks_are_among_signs_not_takes() -> None:
    distance = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.5, 0.2]])
    names = ["tea", "tea", "milk", "cup"]
    nearest, signs = by_sign(distance, names)
    assert signs == ["cup", "milk", "tea"]
    np.testing.assert_array_equal(nearest, [[0.4, 0.3, 0.1], [0.2, 0.5, 0.1]])
    figures, rank = found(["milk", "tea"], distance, names)
    assert rank.tolist() == [2, 1] and (figures.recall_1, figures.recall_5, figures.median_rank) == (0.5, 1, 1.5)
    assert read_rates(["milk", "tea"], rank) == {"milk": 0.0, "tea": 1.0}
    assert read_rates(["tea", "tea", "cup"], np.array([1, 3, 1])) == {"cup": 1.0, "tea": 0.5}
    with pytest.raises(SignRetrievalError, match="no takes of bread"):
        found(["bread", "tea"], distance, names)


def test_copies_are_told_from_performances() -> None:
    real = {name: describe([sign(n, seed=s) for s in (1, 2, 3)]) for n, name in enumerate(NAMES[:4])}
    held = {name: describe([sign(n, seed=s) for s in (4, 5)]) for n, name in enumerate(NAMES[:4])}
    performed = {name: describe([sign(n, seed=s) for s in (6, 7)]) for n, name in enumerate(NAMES[:4])}
    copied = {name: describe([sign(n, seed=1)] * 2) for n, name in enumerate(NAMES[:4])}
    good, bad = copying(performed, real, held), copying(copied, real, held)
    assert 0.6 < good.nearest_take < 1.6 and 0.6 < good.seeds < 1.6
    assert bad.nearest_take < 0.01 and bad.seeds < 0.01
    with pytest.raises(SignRetrievalError, match="both to compare with and held out"):
        copying(performed, real, {})
    with pytest.raises(SignRetrievalError, match="no real take, or were generated only once: sign 3"):
        copying(performed, {name: real[name] for name in NAMES[:3]}, held)


@pytest.mark.parametrize(
    ("motions", "words"),
    [
        ([], "there are no motions"),
        ([np.zeros((5, 79, 3)), np.zeros((5, 79))], r"motion 1 has shape \(5, 79\)"),
        ([np.zeros((0, 79, 3))], "motion 0 has shape"),
        ([np.full((5, 79, 3), np.nan)], "motion 0 has numbers that are not finite"),
    ],
)
def test_what_cannot_be_described(motions: list[np.ndarray], words: str) -> None:
    with pytest.raises(Text2SignError, match=words):
        describe(motions)
