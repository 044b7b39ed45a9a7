"""Which real sign a motion is nearest to, by features that never saw generated motion: nothing here is learnt.

Most signs have one take, so no reader can be trained and tested on them. But a motion that is that sign is nearer to
its take than to the takes of all other signs. Real second takes, where there are any, say what may be expected of that.

A motion is described by where the wrists are (in shoulder widths), how the palms are turned, and the shapes of the
hands in the palms' frames, in ``FRAMES`` moments. The moments are those at equal steps of a clock that goes half by
time and half by the way that hands and fingers have gone, so that holds and tempo count less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora.resampling import interpolate
from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.finger_relations import as_right, palm_frame
from text2sign_ros.evaluation.retrieval import ranks

FRAMES = 32
_PLACE, _TURN, _SHAPE = 1.0, 0.6, 0.9
"""Weights of a wrist's distance in shoulder widths, of palms turned by a radian, and of shapes apart by a palm."""
_PALM = 0.09  # metres, from the root to the middle finger's knuckle
_SIGNING = 0.35  # of the greatest height of a wrist above rest: below, hands are on their way from or to rest
_BATCH = 512


class SignRetrievalError(Text2SignError):
    """Motions can't be compared."""


@dataclass(frozen=True)
class Description:
    """What n motions look like.

    Attributes:
        features: (n, 2 · FRAMES, F) float32 of each hand in each moment, zeros where it was not observed.
        seen: (n, 2 · FRAMES) float32, 1 where it was.
    """

    features: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.seen)

    def of(self, chosen: Sequence[int] | np.ndarray | slice) -> Description:
        """Those motions only."""
        return Description(self.features[chosen], self.seen[chosen])


@dataclass(frozen=True)
class Found:
    """How well signs are found by motions.

    Attributes:
        recall_1, recall_5: share of motions whose sign is nearest, or among the five nearest.
        median_rank: of the right sign.
        motions, signs: how many motions were looked up among how many signs.
    """

    recall_1: float
    recall_5: float
    median_rank: float
    motions: int
    signs: int


def describe(motions: Iterable[np.ndarray], confidences: Sequence[np.ndarray] | None = None) -> Description:
    """Describe motions (T, 79, 3), metres in frame ``signer``, each from rest or in the middle of a sign.

    Args:
        motions: at least one.
        confidences: each (T, 79); a hand with a keypoint of confidence 0 is not observed. None: all are.

    Raises:
        SignRetrievalError: there are no motions, or one has another shape or numbers that are not finite.
    """
    pairs = [_described(m, None if confidences is None else confidences[i], i) for i, m in enumerate(motions)]
    if not pairs:
        raise SignRetrievalError("there are no motions; give at least one")
    return Description(np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs]))


def _described(motion: np.ndarray, confidence: np.ndarray | None, number: int) -> tuple[np.ndarray, np.ndarray]:
    motion = np.asarray(motion, np.float32)
    if motion.ndim != 3 or motion.shape[1:] != (skeleton.NUM_KEYPOINTS, 3) or not len(motion):
        raise SignRetrievalError(
            f"motion {number} has shape {motion.shape}; give (frames, {skeleton.NUM_KEYPOINTS}, 3), at least 1 frame"
        )
    if not np.isfinite(motion).all():
        raise SignRetrievalError(f"motion {number} has numbers that are not finite; remove such frames")
    seen = np.ones(motion.shape[:2], bool) if confidence is None else np.asarray(confidence) > 0
    wrists = [skeleton.INDEX["left_wrist"], skeleton.INDEX["right_wrist"]]
    height = np.where(seen[:, wrists], motion[:, wrists, 2] - skeleton.REST_POSE[wrists, 2], 0.0).max(axis=1)
    raised = np.flatnonzero(height >= _SIGNING * height.max())
    span = slice(raised[0], raised[-1] + 1)
    motion, seen = motion[span], seen[span]
    at = _moments_at(motion[:, skeleton.HANDS], seen[:, skeleton.HANDS])
    both = seen[np.floor(at).astype(int)] & seen[np.ceil(at).astype(int)]
    motion = interpolate(motion, at)
    features = [_features(motion, side) for side in skeleton.HAND]
    mask = np.concatenate([both[:, hand].all(axis=1) for hand in skeleton.HAND.values()]).astype(np.float32)
    return np.concatenate(features) * mask[:, None], mask


def _moments_at(hands: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(FRAMES,) fractional frames of the moments, from the first frame to the last."""
    both = seen[1:] & seen[:-1]
    step = (np.linalg.norm(np.diff(hands, axis=0), axis=-1) * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    clock = np.concatenate(([0.0], np.cumsum(step / max(step.sum(), 1e-6) + 1.0 / max(len(step), 1))))
    return np.interp(np.linspace(0.0, clock[-1], FRAMES), clock, np.arange(len(hands)))


def _features(motion: np.ndarray, side: str) -> np.ndarray:
    """(T, 72) float32 of a hand, scaled so that squared differences add up to a squared distance."""
    hand = motion[:, skeleton.HAND[side]]
    place = hand[:, 0] / skeleton.SHOULDER_WIDTH
    own = as_right(hand - hand[:, :1], side)
    axes = palm_frame(own)
    shape = (own[:, 1:] @ np.swapaxes(axes, 1, 2)) / _PALM
    parts = (_PLACE * place, _TURN * axes.reshape(-1, 9) / np.sqrt(2), _SHAPE * shape.reshape(-1, 60) / np.sqrt(20))
    return np.concatenate(parts, axis=1).astype(np.float32)


def distances(queries: Description, candidates: Description) -> np.ndarray:
    """(queries, candidates) root mean squared distance over the hands and moments observed in both.

    1 is about what wrists a shoulder width apart give. Motions without a moment in common are infinitely apart.
    """
    flat = candidates.features.reshape(len(candidates), -1)
    squares = np.square(candidates.features).sum(axis=2)
    rows = []
    for first in range(0, len(queries), _BATCH):
        part = queries.of(slice(first, first + _BATCH))
        both = part.seen @ candidates.seen.T
        total = np.square(part.features).sum(axis=2) @ candidates.seen.T + part.seen @ squares.T
        total -= 2 * part.features.reshape(len(part), -1) @ flat.T
        rows.append(np.where(both > 0, np.sqrt(np.maximum(total, 0) / np.maximum(both, 1)), np.inf))
    return np.concatenate(rows)


def by_sign(distance: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(queries, takes) to (queries, signs): the distance of each sign's nearest take, and the signs' names in order."""
    signs, at = np.unique(np.asarray(names), return_inverse=True)
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], np.arange(len(signs)))
    return np.minimum.reduceat(distance[:, order], starts, axis=1), signs.tolist()


def found(queries: Sequence[str], distance: np.ndarray, takes: Sequence[str]) -> tuple[Found, np.ndarray]:
    """How well signs are found, and the rank of the right one for each query, 1 at best.

    Args:
        queries: the sign that each motion shows.
        distance: (queries, takes), see ``distances``.
        takes: the sign that each real take shows.

    Raises:
        SignRetrievalError: a sign has no take to be found by.
    """
    nearest, signs = by_sign(distance, takes)
    if missing := sorted(set(queries) - set(signs)):
        raise SignRetrievalError(f"there are no takes of {', '.join(missing)}; look up only signs that have some")
    rank = ranks(-nearest, np.asarray(queries)[:, None] == np.asarray(signs)[None])
    figures = Found(float((rank <= 1).mean()), float((rank <= 5).mean()), float(np.median(rank)), len(rank), len(signs))
    return figures, rank


def read_rates(queries: Sequence[str], rank: np.ndarray) -> dict[str, float]:
    """Share of each sign's motions that are nearest to it, by name."""
    return {name: float((rank[np.asarray(queries) == name] == 1).mean()) for name in sorted(set(queries))}


@dataclass(frozen=True)
class Copying:
    """Whether signs are copies of their takes, and performances copies of each other; all relative to what two real
    takes of one sign from different recording sessions differ by.

    Attributes:
        nearest_take: mean distance of a generated sign from its nearest real take, over the mean distance of a held-out
            real take from its nearest one: 1 is as far as another take, 0 a copy.
        seeds: mean distance between two seeds of a sign, over the mean distance between two real takes.
    """

    nearest_take: float
    seeds: float


def copying(
    generated: Mapping[str, Description], takes: Mapping[str, Description], held_out: Mapping[str, Description]
) -> Copying:
    """Compare the signs that are in all three: name -> motions.

    Generated signs without held-out takes are compared with the average over the signs that have some.

    Raises:
        SignRetrievalError: no sign has both held-out and other takes, or a generated sign has no take or only one seed.
    """
    both = sorted(set(takes) & set(held_out))
    if not both:
        raise SignRetrievalError("no sign has takes both to compare with and held out; give some")
    if missing := sorted(name for name, made in generated.items() if name not in takes or len(made) < 2):
        raise SignRetrievalError(f"these signs have no real take, or were generated only once: {', '.join(missing)}")
    apart = {name: distances(held_out[name], takes[name]) for name in both}
    nearest, between = (float(np.mean([f(d) for d in apart.values()])) for f in (_nearest, np.mean))
    made = float(np.mean([_nearest(distances(motions, takes[name])) for name, motions in generated.items()]))
    seeds = float(np.mean([_between(motions) for motions in generated.values()]))
    return Copying(made / nearest, seeds / between)


def _nearest(distance: np.ndarray) -> float:
    return float(distance.min(axis=1).mean())


def _between(motions: Description) -> float:
    first, second = np.triu_indices(len(motions), 1)
    return float(distances(motions, motions)[first, second].mean())
