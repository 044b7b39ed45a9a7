"""Motion metrics: distances after time warping, travelled distance, frozen share, jerk and diversity.

A motion is positions (T, 79, 3) in metres, frame ``signer``, with a confidence (T, 79); without one, every keypoint
counts as observed. Where confidence is 0 the position is neither used nor interpolated: what cannot be measured is left
out.

Do not report a distance alone: a stick figure that stands still in the middle of a sign is close to every frame of it.
``travelled`` and ``frozen_share`` expose that.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.linalg import qr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError

FROZEN_SPEED = 0.05
"""Mean speed of the hand keypoints, metres per second, below which the hands count as still: 2 mm a frame at 25 fps.

The speed histograms of two kinds of real takes cross here: held letters, whose hands only show tracking noise (median
0.017, 84 % below), and words (median 0.13, 23 % below, holds included). A threshold closer to the tracking noise would
call a motion frozen because it is smoother than the recording.
"""

_HANDS = np.r_[skeleton.GROUPS["left_hand"], skeleton.GROUPS["right_hand"]]
_ALL = np.arange(skeleton.NUM_KEYPOINTS)


class MetricError(Text2SignError):
    """The input cannot be measured."""


def dtw_mje(
    reference: np.ndarray,
    other: np.ndarray,
    reference_confidence: np.ndarray | None = None,
    other_confidence: np.ndarray | None = None,
) -> float:
    """DTW-MJE: mean joint error of all 79 keypoints along the best time warping, millimetres.

    The evaluation of Progressive Transformers (Saunders et al. 2020, arXiv 2004.14874): the cost of two frames is the
    mean distance of their keypoints (those observed in both), every frame of each motion is matched, and the order is
    kept. The mean is over the frame pairs of the path, so that long motions compare with short ones.

    Args:
        reference: (T, 79, 3) metres.
        other: (U, 79, 3) metres.
        reference_confidence: (T, 79).
        other_confidence: (U, 79).

    Raises:
        MetricError: a shape is wrong, an observed position is not finite, or no keypoint is observed in both motions.
    """
    return 1000 * _dtw(_observed(reference, reference_confidence, _ALL), _observed(other, other_confidence, _ALL))


def mean_joint_error(reference: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of joints along the best time warping, in the input's unit: as ``dtw_mje``, of any joints.

    Args:
        reference: (T, K, 3).
        other: (U, K, 3).

    Raises:
        MetricError: a shape is wrong, or a position is not finite.
    """
    motions = [np.asarray(motion, float) for motion in (reference, other)]
    for motion in motions:
        if motion.ndim != 3 or not motion.size or motion.shape[1:] != (motions[0].shape[1], 3):
            raise MetricError(f"positions have shape {motion.shape}; (frames, joints, 3) is needed, of the same joints")
        if not np.isfinite(motion).all():
            raise MetricError("positions must be finite")
    a, b = ((motion, np.ones(motion.shape[:2])) for motion in motions)
    return _dtw(a, b)


def exact_dtw(cost: np.ndarray) -> float:
    """Sum of the costs (T, U) of the frame pairs along the best warping: every frame is matched, in order."""
    return float(cost.ravel()[_cheapest_path(cost)].sum())


def ndtw_hands(
    reference: np.ndarray,
    other: np.ndarray,
    reference_confidence: np.ndarray | None = None,
    other_confidence: np.ndarray | None = None,
) -> float:
    """Hands-only nDTW-MJE: as ``dtw_mje`` but of the 42 hand keypoints, and in shoulder widths instead of millimetres.

    nDTW-MJE (Ham2Pose, Arkushin et al. 2023, arXiv 2211.13613) measures signers in one normalised space: the origin
    midway between the shoulders, the distance between them 1. Frame ``signer`` is that space except for the unit, so
    the result is divided by ``skeleton.SHOULDER_WIDTH``. Hands are compared where they are, not relative to their
    wrists, because the location of a sign is part of it. Unlike Ham2Pose, which warps each keypoint separately and
    sums, all hand keypoints share one warping and the result is a mean; a keypoint missing in one motion is not
    counted.

    Args and errors: as for ``dtw_mje``.
    """
    hands = _observed(reference, reference_confidence, _HANDS), _observed(other, other_confidence, _HANDS)
    return _dtw(*hands) / skeleton.SHOULDER_WIDTH


def frechet(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance (squared 2-Wasserstein) between Gaussians fitted to two sets of features (Heusel et al. 2017).

    ``|mean_a − mean_b|² + tr(C_a + C_b − 2 (C_a C_b)^½)``, arXiv 1706.08500, eq. 6; C are the unbiased covariances.
    With C = RᵀR the last trace is the nuclear norm of R_a R_bᵀ, which needs no matrix square root: it stays real
    and exact with fewer samples than features. Small samples bias it upward: compare equal sample sizes only.

    Args:
        features_a: (n, d), n at least 2.
        features_b: (m, d), m at least 2.

    Raises:
        MetricError: a shape is wrong, or a value is not finite.
    """
    roots, means = [], []
    for features in (features_a, features_b):
        features = np.asarray(features, float)
        if features.ndim != 2 or len(features) < 2 or not np.isfinite(features).all():
            raise MetricError(f"features of shape {features.shape}: at least 2 rows of finite numbers are needed")
        means.append(features.mean(axis=0))
        roots.append(qr((features - means[-1]) / np.sqrt(len(features) - 1), mode="economic")[1])
    if len(means[0]) != len(means[1]):
        raise MetricError(f"features of {len(means[0])} and {len(means[1])} numbers: take both from one network")
    shared = np.linalg.norm(roots[0] @ roots[1].T, "nuc")
    spread = sum(np.square(root).sum() for root in roots) - 2 * shared
    return float(np.square(means[0] - means[1]).sum() + max(spread, 0.0))


def travelled(positions: np.ndarray, confidence: np.ndarray | None = None) -> float:
    """Path length of a hand keypoint, mean over the 42, metres.

    The distance ratio is the sum over generated motions divided by the sum over real ones. A step to or from an
    unobserved position adds nothing, so for a real motion with gaps this is a lower bound.

    Args:
        positions: (T, 79, 3) metres.
        confidence: (T, 79).

    Raises:
        MetricError: a shape is wrong, an observed position is not finite, or no hand keypoint is seen in two
            consecutive frames.
    """
    length, _ = _differences(positions, confidence, order=1)
    return float(length.sum() / len(_HANDS))


def frozen_share(positions: np.ndarray, fps: float, confidence: np.ndarray | None = None) -> float:
    """Share of frame steps in which the hands are still: mean speed of the hand keypoints below ``FROZEN_SPEED``.

    A step counts if any hand keypoint is observed at both its ends.

    Args:
        positions: (T, 79, 3) metres.
        fps: frames per second.
        confidence: (T, 79).

    Raises:
        MetricError: as for ``travelled``.
    """
    length, seen = _differences(positions, confidence, order=1)
    count = seen.sum(axis=1)
    speed = fps * length.sum(axis=1)[count > 0] / count[count > 0]
    return float((speed < FROZEN_SPEED).mean())


def jerk(positions: np.ndarray, fps: float, confidence: np.ndarray | None = None) -> float:
    """Mean magnitude of the hand keypoints' jerk, m/s³: third differences over four consecutive observed frames.

    Args:
        positions: (T, 79, 3) metres.
        fps: frames per second.
        confidence: (T, 79).

    Raises:
        MetricError: as for ``travelled``, or no hand keypoint is observed in four consecutive frames.
    """
    length, seen = _differences(positions, confidence, order=3)
    return float(fps**3 * length.sum() / seen.sum())


def diversity(motions: Sequence[np.ndarray], confidences: Sequence[np.ndarray] | None = None) -> float:
    """Mean ``ndtw_hands`` over all pairs of motions of one sign, shoulder widths. Differences in timing do not count.

    Args:
        motions: at least two, each (T, 79, 3) metres.
        confidences: each (T, 79).

    Raises:
        MetricError: fewer than two motions, confidences and motions differ in number, or as for ``ndtw_hands``.
    """
    if len(motions) < 2:
        raise MetricError(f"diversity needs at least two motions of a sign, {len(motions)} given")
    if confidences is not None and len(confidences) != len(motions):
        raise MetricError(f"{len(confidences)} confidences for {len(motions)} motions: give one each, or none")
    hands = [_observed(m, None if confidences is None else confidences[i], _HANDS) for i, m in enumerate(motions)]
    distances = [_dtw(a, b) for a, b in itertools.combinations(hands, 2)]
    return float(np.mean(distances)) / skeleton.SHOULDER_WIDTH


def diversity_ratio(
    generated: Mapping[str, Sequence[np.ndarray]],
    real: Mapping[str, Sequence[np.ndarray]],
    generated_confidences: Mapping[str, Sequence[np.ndarray]] | None = None,
    real_confidences: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> float:
    """``diversity`` of generated motions, mean over their signs, over that of real motions of the same signs.

    Args:
        generated: label -> motions.
        real: label -> motions; labels that ``generated`` lacks are ignored.
        generated_confidences: label -> confidences.
        real_confidences: label -> confidences.

    Raises:
        MetricError: a generated label has no real motions, nothing was generated, the real ones are all the same, or as
            for ``diversity``.
    """
    missing = sorted(set(generated) - set(real))
    if missing or not generated:
        raise MetricError(f"no real motions to compare with: {', '.join(missing) or 'no label given'}")
    figures = [
        np.mean([diversity(motions[label], None if seen is None else seen[label]) for label in generated])
        for motions, seen in ((generated, generated_confidences), (real, real_confidences))
    ]
    if figures[1] == 0:
        raise MetricError("the real motions of each sign are all the same: give different takes")
    return float(figures[0] / figures[1])


_Observed = tuple[np.ndarray, np.ndarray]  # (T, K, 3) with zeros where not observed, and (T, K) 1.0 where observed


def _observed(positions: np.ndarray, confidence: np.ndarray | None, keypoints: np.ndarray) -> _Observed:
    positions = np.asarray(positions, float)
    if positions.ndim != 3 or positions.shape[1:] != (skeleton.NUM_KEYPOINTS, 3) or not len(positions):
        raise MetricError(f"positions have shape {positions.shape}; (frames, {skeleton.NUM_KEYPOINTS}, 3) is needed")
    seen = np.ones(positions.shape[:2], bool) if confidence is None else np.asarray(confidence) > 0
    if seen.shape != positions.shape[:2]:
        raise MetricError(f"confidence has shape {seen.shape}; {positions.shape[:2]} is needed")
    positions, seen = positions[:, keypoints], seen[:, keypoints]
    if not np.isfinite(positions[seen]).all():
        raise MetricError("positions must be finite; mark an unseen keypoint by confidence 0")
    return np.where(seen[..., None], positions, 0.0), seen.astype(float)


def _differences(positions: np.ndarray, confidence: np.ndarray | None, order: int) -> _Observed:
    """Lengths of the hands' differences (T − order, 42), metres, and 1.0 where all frames involved are observed."""
    hands, observed = _observed(positions, confidence, _HANDS)
    frames = len(hands) - order
    seen = np.prod([observed[k : k + frames] for k in range(order + 1)], axis=0) if frames > 0 else np.zeros((0, 1))
    if not seen.any():
        raise MetricError(f"no hand keypoint is observed in {order + 1} consecutive frames: give a longer motion")
    return np.linalg.norm(np.diff(hands, n=order, axis=0), axis=-1) * seen, seen


def _dtw(reference: _Observed, other: _Observed) -> float:
    """Mean along the best path of the mean distance of the keypoints observed in both frames, in the input's unit."""
    (a, seen_a), (b, seen_b) = reference, other
    common = seen_a @ seen_b.T  # (T, U) number of keypoints observed in both
    if not common.any():
        raise MetricError("no keypoint is observed in both motions: there is nothing to compare")
    cost = np.zeros_like(common)
    for k in range(a.shape[1]):
        cost += cdist(a[:, k], b[:, k]) * np.outer(seen_a[:, k], seen_b[:, k])
    cost /= np.maximum(common, 1)
    # Pairs without common keypoints must neither attract nor repel the path; they are left out at the end.
    cost[common == 0] = cost[common > 0].mean()
    path = _cheapest_path(cost)
    measured = common.ravel()[path] > 0
    if not measured.any():
        raise MetricError("no keypoint is observed in both motions at the same time: there is nothing to compare")
    return float(cost.ravel()[path][measured].mean())


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """Flat indices of the cells of the best warping (Sakoe & Chiba 1978), last to first.

    This is the shortest path through the graph of frame pairs in which one motion, the other or both advance by one
    frame and entering a pair costs its distance.
    """
    cells = np.arange(cost.size, dtype=np.int32).reshape(cost.shape)  # older SciPy accepts no other index type
    steps = ((cells[:-1], cells[1:]), (cells[:, :-1], cells[:, 1:]), (cells[:-1, :-1], cells[1:, 1:]))
    before, after = (np.concatenate([step[end].ravel() for step in steps]) for end in (0, 1))
    graph = coo_array((cost.ravel()[after], (before, after)), shape=(cost.size, cost.size)).tocsr()
    _, predecessors = dijkstra(graph, indices=0, return_predecessors=True)
    path = [cost.size - 1]
    while path[-1] != 0:
        path.append(predecessors[path[-1]])
    return np.array(path)
