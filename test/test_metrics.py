"""Motion metrics: identical is nothing, slower is near, still is found out, what was not observed does not count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.evaluation import metrics
from text2sign_ros.evaluation.metrics import MetricError

FPS = 25.0
HANDS = slice(skeleton.GROUPS["left_hand"].start, skeleton.GROUPS["right_hand"].stop)


def wave(frames: int = 40, swing: float = 0.15, turns: float = 1.5, phase: float = 0.0) -> np.ndarray:
    """(T, 79, 3): the rest pose with both hands waving ``swing`` metres to each side, starting and ending slowly."""
    motion = np.repeat(skeleton.REST_POSE[None].astype(float), frames, axis=0)
    time = np.linspace(0, 1, frames)
    motion[:, HANDS, 1] += swing * np.sin(2 * np.pi * turns * (3 * time**2 - 2 * time**3) + phase)[:, None]
    motion[:, HANDS, 2] += 0.4
    return motion


def stretched(motion: np.ndarray, frames: int) -> np.ndarray:
    at = np.linspace(0, len(motion) - 1, frames)
    low = np.minimum(at.astype(int), len(motion) - 2)
    part = (at - low)[:, None, None]
    return motion[low] * (1 - part) + motion[low + 1] * part


def plain_dtw(cost: np.ndarray) -> float:
    """The cost of the best path, by the textbook recursion."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for i, j in np.ndindex(*cost.shape):
        total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    return total[-1, -1]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_the_path_is_the_cheapest_and_moves_by_single_frames(frames: int, others: int, seed: int) -> None:
    cost = np.random.default_rng(seed).integers(0, 5, (frames, others)).astype(float)  # ties and zeros
    rows, columns = np.unravel_index(metrics._cheapest_path(cost)[::-1], cost.shape)
    assert cost[rows, columns].sum() == plain_dtw(cost)
    assert (rows[0], columns[0], rows[-1], columns[-1]) == (0, 0, frames - 1, others - 1)
    assert {*zip(np.diff(rows), np.diff(columns), strict=True)} <= {(0, 1), (1, 0), (1, 1)}


def test_identical_motions_are_at_no_distance() -> None:
    motion = wave()
    assert metrics.dtw_mje(motion, motion) == 0
    assert metrics.ndtw_hands(motion, motion) == 0
    assert metrics.diversity([motion, motion, motion]) == 0


def test_a_shift_is_measured_in_its_unit() -> None:
    still = np.repeat(skeleton.REST_POSE[None], 5, axis=0)
    moved = np.repeat(still, 2, axis=0) + np.array((0.0, 0.0, 0.012))
    assert metrics.dtw_mje(still, moved) == pytest.approx(12.0, rel=1e-5)
    assert metrics.ndtw_hands(still, moved) == pytest.approx(0.012 / 0.36, rel=1e-5)
    moved[:, HANDS] = still[0, HANDS]
    assert metrics.ndtw_hands(still, moved) == pytest.approx(0, abs=1e-9)
    assert metrics.dtw_mje(still, moved) == pytest.approx(12.0 * 37 / 79, rel=1e-5)


@pytest.mark.parametrize("frames", [35, 50, 75, 120])
def test_the_same_motion_slower_or_faster_is_near(frames: int) -> None:
    motion, lower = wave(60), wave(60) - np.array((0.0, 0.0, 0.1))
    for distance in (metrics.dtw_mje, metrics.ndtw_hands):
        assert distance(motion, stretched(motion, frames)) < 0.1 * distance(motion, lower)


def test_distances_do_not_depend_on_which_comes_first() -> None:
    one, other = wave(30), wave(45, swing=0.1, turns=2)
    assert metrics.dtw_mje(one, other) == pytest.approx(metrics.dtw_mje(other, one))
    assert metrics.ndtw_hands(one, other) == pytest.approx(metrics.ndtw_hands(other, one))


def test_warping_rewards_a_frozen_figure_and_the_other_figures_give_it_away() -> None:
    """DTW prefers a figure frozen mid-sign to a lively signer who waves 10 cm lower, out of step."""
    real = wave(swing=0.1)
    lively = wave(swing=0.1, phase=0.5) - np.array((0.0, 0.0, 0.1))
    frozen = np.repeat(real.mean(axis=0, keepdims=True), len(real), axis=0)
    assert metrics.dtw_mje(real, frozen) < 0.8 * metrics.dtw_mje(real, lively)
    assert metrics.ndtw_hands(real, frozen) < 0.8 * metrics.ndtw_hands(real, lively)
    assert metrics.travelled(frozen) < 1e-9
    assert 0.9 < metrics.travelled(lively) / metrics.travelled(real) < 1.1
    assert metrics.frozen_share(frozen, FPS) == 1
    assert metrics.frozen_share(real, FPS) < 0.3 and metrics.frozen_share(lively, FPS) < 0.3


def test_travelled_speed_and_jerk_of_known_motions() -> None:
    time = np.arange(30) / FPS
    motion = np.repeat(skeleton.REST_POSE[None].astype(float), 30, axis=0)
    line = motion.copy()
    line[:, HANDS, 0] += 0.2 * time[:, None]
    assert metrics.travelled(line) == pytest.approx(0.2 * time[-1])
    assert metrics.jerk(line, FPS) == pytest.approx(0, abs=1e-6)
    one_hand = motion.copy()
    one_hand[:, skeleton.GROUPS["right_hand"], 0] += 0.2 * time[:, None]
    assert metrics.travelled(one_hand) == pytest.approx(0.1 * time[-1])
    cubic = motion.copy()
    cubic[:, HANDS, 1] += 0.5 * time[:, None] ** 3
    assert metrics.jerk(cubic, FPS) == pytest.approx(3.0)
    body = motion.copy()
    body[:, : HANDS.start] += np.random.default_rng(0).normal(size=(30, HANDS.start, 3))
    assert metrics.travelled(body) == 0 and metrics.jerk(body, FPS) == 0
    for factor, share in ((0.9, 1.0), (1.1, 0.0)):
        slow = motion.copy()
        slow[:, HANDS, 2] += factor * metrics.FROZEN_SPEED * time[:, None]
        assert metrics.frozen_share(slow, FPS) == share


def gaps(frames: int, seed: int) -> np.ndarray:
    """(T, 79) confidence with single keypoints, a hand for a while and one whole frame unobserved."""
    confidence = (np.random.default_rng(seed).random((frames, skeleton.NUM_KEYPOINTS)) > 0.05).astype(np.float32)
    confidence[5:11, skeleton.GROUPS["left_hand"]] = 0
    confidence[20] = 0
    return confidence


@pytest.mark.parametrize("value", [50.0, np.nan, np.inf])
def test_what_was_not_observed_changes_nothing(value: float) -> None:
    motion, other = wave(), wave(31, swing=0.1, turns=2)
    confidence = gaps(len(motion), seed=0)
    wild = np.where(confidence[..., None] > 0, motion, value)

    def figures(positions: np.ndarray) -> list[float]:
        return [
            metrics.dtw_mje(positions, other, confidence),
            metrics.dtw_mje(other, positions, other_confidence=confidence),
            metrics.ndtw_hands(positions, other, confidence),
            metrics.travelled(positions, confidence),
            metrics.frozen_share(positions, FPS, confidence),
            metrics.jerk(positions, FPS, confidence),
            metrics.diversity([positions, other], [confidence, np.ones(other.shape[:2])]),
        ]

    assert np.isfinite(figures(wild)).all()
    assert figures(wild) == figures(motion)


def test_gaps_are_left_out_not_bridged() -> None:
    motion = wave()
    confidence = gaps(len(motion), seed=1)
    assert metrics.dtw_mje(motion, motion, confidence) == pytest.approx(0, abs=1e-9)
    jump = wave()
    jump[20:, HANDS, 0] += 0.5  # the hands leap while frame 20 is unobserved
    assert metrics.travelled(jump, confidence) == pytest.approx(metrics.travelled(motion, confidence))
    assert metrics.jerk(jump, FPS, confidence) == pytest.approx(metrics.jerk(motion, FPS, confidence))
    assert metrics.travelled(jump) > metrics.travelled(motion) + 0.4
    seen = np.zeros(motion.shape[:2])
    seen[:2] = 1
    assert metrics.travelled(motion, seen) == pytest.approx(metrics.travelled(motion[:2]))


def test_a_pair_of_frames_without_common_keypoints_draws_no_path() -> None:
    """Two frames of other, unlike anything in the reference, must not hide behind the reference's unobserved frame."""
    motion, other = wave(), wave()
    other[30:32, :, 2] += 1.0
    confidence = np.ones(motion.shape[:2])
    confidence[10] = 0
    assert metrics.dtw_mje(motion, other, confidence) > 40  # 2 frames of 40 are a metre off


def test_frechet_matches_the_closed_form_of_diagonal_gaussians() -> None:
    """Σ (m_a − m_b)² + (s_a − s_b)², with features built to have exactly these moments."""
    rng = np.random.default_rng(0)
    size, count = 12, 400
    white = rng.normal(size=(count, size))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(count - 1)
    mean_a, mean_b = rng.normal(size=(2, size))
    scale_a, scale_b = rng.uniform(0.1, 3, size=(2, size))
    expected = np.sum((mean_a - mean_b) ** 2 + (scale_a - scale_b) ** 2)
    a, b = mean_a + scale_a * white, mean_b + scale_b * rng.permutation(white)
    assert metrics.frechet(a, b) == pytest.approx(expected, rel=1e-9)
    rotation = np.linalg.qr(rng.normal(size=(size, size)))[0]
    assert metrics.frechet(a @ rotation, b @ rotation) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_equal_gaussians_is_nothing() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 20))
    assert metrics.frechet(features, rng.permutation(features)) == pytest.approx(0, abs=1e-9)
    one, same, other = rng.normal(size=(3, 5000, 4))
    assert metrics.frechet(one, same) < 0.02 < metrics.frechet(one, 1.5 * other)
    few, line = rng.normal(size=(6, 40)), np.outer(rng.normal(size=30), np.ones(40))  # singular covariances
    assert metrics.frechet(few, few + 1) == pytest.approx(40)
    assert metrics.frechet(line, line) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(metrics.frechet(few, line)) and metrics.frechet(few, np.zeros((2, 40))) > 0


def test_frechet_does_not_depend_on_the_order() -> None:
    one, other = np.random.default_rng(2).normal(size=(2, 50, 8)) * np.array([[[1.0]], [[2.0]]])
    assert metrics.frechet(one, other) == pytest.approx(metrics.frechet(other, one))


def test_diversity_is_the_mean_over_pairs_and_the_ratio_compares_signs() -> None:
    motions = [wave(swing=swing) for swing in (0.05, 0.1, 0.2)]
    pairs = [metrics.ndtw_hands(motions[a], motions[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert metrics.diversity(motions) == pytest.approx(np.mean(pairs))
    real = {"hello": motions, "tea": [wave(turns=turns) for turns in (1, 2, 3)], "unused": motions}
    signs = {label: real[label] for label in ("hello", "tea")}
    assert metrics.diversity_ratio(signs, real) == pytest.approx(1)
    assert metrics.diversity_ratio({label: [m[0]] * 3 for label, m in signs.items()}, real) == 0
    lifeless = {label: [m[0] + 0.3 * (motion - m[0]) for motion in m] for label, m in signs.items() if label == "hello"}
    assert 0.2 < metrics.diversity_ratio(lifeless, real) < 0.4


def test_what_cannot_be_measured_is_said() -> None:
    motion = wave(5)
    unseen = np.zeros(motion.shape[:2])
    left, right = unseen.copy(), unseen.copy()
    left[:, skeleton.GROUPS["left_hand"]] = right[:, skeleton.GROUPS["right_hand"]] = 1
    broken = motion.copy()
    broken[2, 40] = np.nan
    for message, call in (
        ("shape", lambda: metrics.dtw_mje(motion[:, :50], motion)),
        ("shape", lambda: metrics.travelled(motion[:0])),
        ("shape", lambda: metrics.dtw_mje(motion, motion, np.ones((4, 79)))),
        ("finite", lambda: metrics.ndtw_hands(motion, broken)),
        ("nothing to compare", lambda: metrics.ndtw_hands(motion, motion, left, right)),
        ("longer", lambda: metrics.travelled(motion[:1])),
        ("longer", lambda: metrics.frozen_share(motion, FPS, unseen)),
        ("longer", lambda: metrics.jerk(motion[:3], FPS)),
        ("two motions", lambda: metrics.diversity([motion])),
        ("one each", lambda: metrics.diversity([motion, motion], [left])),
        ("tea", lambda: metrics.diversity_ratio({"tea": [motion] * 2}, {"hello": [motion] * 2})),
        ("no label", lambda: metrics.diversity_ratio({}, {})),
        ("the same", lambda: metrics.diversity_ratio({"tea": [motion] * 2}, {"tea": [motion] * 2})),
        ("rows", lambda: metrics.frechet(np.zeros((1, 3)), np.zeros((5, 3)))),
        ("finite", lambda: metrics.frechet(np.full((5, 3), np.nan), np.zeros((5, 3)))),
        ("one network", lambda: metrics.frechet(np.zeros((5, 3)), np.zeros((5, 4)))),
    ):
        with pytest.raises(MetricError, match=message):
            call()
