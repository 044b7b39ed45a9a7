"""Relations between the fingers of a hand, which carry meaning: crossings, contacts of the thumb, spread.

A hand is (T, 21, 3), metres, in the order of ``skeleton.HAND``: root, then four points of thumb, index, middle, ring
and little finger. Relations are the same wherever the hand is and however it is turned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import Example
from text2sign_ros.evaluation.reconstruction import tracked
from text2sign_ros.progress import progress_bar

NEIGHBOURS = ("index-middle", "middle-ring", "ring-little")
TOUCHED = ("index", "middle", "ring", "little")
"""The fingers that the thumb can touch."""

CROSSED_MM, CLEAR_MM = 0.0, 3.0
"""Fingers are crossed below the first; within the second of it a recording does not tell (the tracker's noise)."""
TOUCHING_MM, NEAR_MM = 25.0, 5.0
"""The thumb touches a finger below the first: bones lie inside the fingers, half a thickness from where these touch."""

_FEW = 25
"""Fewer crossings or touches, a second of one, tell nothing about a sign."""

_KNUCKLES, _TIPS = (5, 9, 13, 17), (8, 12, 16, 20)
_THUMB_TIP, _ROOT, _INDEX_KNUCKLE, _MIDDLE_KNUCKLE, _LITTLE_KNUCKLE = 4, 0, 5, 9, 17
_MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Relations:
    """Relations in each frame of one hand.

    Attributes:
        order_mm: (T, 3) how far each fingertip lies on its own side of the next one, across the palm, for
            ``NEIGHBOURS``: negative where fingers are crossed, as index and middle finger in R.
        tip_gap_mm: (T, 4) from the tip of the thumb to the tips of ``TOUCHED``.
        finger_gap_mm: (T, 4) from the tip of the thumb to the nearest point of each of those fingers' bones.
        spread_degrees: (T, 3) angle between the first phalanges of ``NEIGHBOURS``.
    """

    order_mm: np.ndarray
    tip_gap_mm: np.ndarray
    finger_gap_mm: np.ndarray
    spread_degrees: np.ndarray


def as_right(hand: np.ndarray, side: str) -> np.ndarray:
    """The hand (..., 21, 3) of a ``side`` ("left" or "right") as a right hand: a left one is mirrored."""
    return hand * np.array((1.0, -1.0, 1.0), hand.dtype) if side == "left" else hand


def palm_frame(hand: np.ndarray) -> np.ndarray:
    """Axes of the palm of right hands: (..., 21, 3) -> (..., 3, 3).

    Its rows are unit vectors: across the palm from the little finger's side to the index finger's, from the root to the
    middle finger's knuckle, and out of the palm.
    """
    along = _unit(hand[..., _MIDDLE_KNUCKLE, :] - hand[..., _ROOT, :])
    across = hand[..., _INDEX_KNUCKLE, :] - hand[..., _LITTLE_KNUCKLE, :]
    across = _unit(across - (across * along).sum(axis=-1, keepdims=True) * along)
    return np.stack((across, along, np.cross(across, along)), axis=-2)


def relations(hand: np.ndarray) -> Relations:
    """Relations between the fingers of one hand (T, 21, 3), metres; a left hand has those of its mirror image."""
    across = palm_frame(hand)[..., 0, :]
    tips, knuckles = hand[..., _TIPS, :], hand[..., _KNUCKLES, :]
    thumb = hand[..., _THUMB_TIP, None, :]
    phalanges = _unit(hand[..., np.add(_KNUCKLES, 1), :] - knuckles)
    cosine = (phalanges[..., :-1, :] * phalanges[..., 1:, :]).sum(axis=-1)
    return Relations(
        order_mm=_MILLIMETRES * ((tips[..., :-1, :] - tips[..., 1:, :]) * across[..., None, :]).sum(axis=-1),
        tip_gap_mm=_MILLIMETRES * np.linalg.norm(tips - thumb, axis=-1),
        finger_gap_mm=_MILLIMETRES * _to_bones(hand, thumb),
        spread_degrees=np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))),
    )


def _to_bones(hand: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(..., 4) distance of a point (..., 1, 3) from the nearest of the three bones of each finger."""
    starts = np.add.outer(_KNUCKLES, (0, 1, 2))  # (4, 3)
    start, end = hand[..., starts, :], hand[..., starts + 1, :]  # (..., 4, 3, 3)
    bone, way = end - start, point[..., None, :] - start
    length = np.maximum((bone * bone).sum(axis=-1), 1e-12)
    part = np.clip((way * bone).sum(axis=-1) / length, 0.0, 1.0)
    return np.linalg.norm(way - part[..., None] * bone, axis=-1).min(axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class Agreement:
    """How well other hands keep the relations of real ones; shares are of relations in frames of observed hands.

    Only relations that the recording shows clearly count: an order of at least ``CLEAR_MM`` and a gap of at least
    ``NEAR_MM`` away from where it would be judged otherwise.

    Attributes:
        order: share of neighbouring fingertips whose order is kept, crossed or not.
        crossed: share of crossed ones that are still crossed; None if hardly any is.
        contact: share of thumb and fingers that touch, or do not, as in the recording.
        touching: share of touching ones that still touch; None if hardly any does.
        spread_degrees: mean absolute error of the angle between neighbouring fingers.
        order_mm, other_order_mm: median order of the tips of index and middle finger, real and other.
        frames: how many hands of a frame were compared.
    """

    order: float
    crossed: float | None
    contact: float
    touching: float | None
    spread_degrees: float
    order_mm: float
    other_order_mm: float
    frames: int


def agreement_through(
    through: Callable[[np.ndarray], np.ndarray], takes: Sequence[Example]
) -> tuple[Agreement, dict[str, Agreement]]:
    """Agreement of takes reconstructed by ``through``, (T, 79, 3) metres -> the same: over all, and by text."""
    bar = progress_bar(takes, desc="relations between fingers")
    return agreement(takes, [through(take.clip.positions) for take in bar])


def agreement(takes: Sequence[Example], others: Sequence[np.ndarray]) -> tuple[Agreement, dict[str, Agreement]]:
    """Agreement of any reconstruction, (T, 79, 3) metres for each take: over all, and by text.

    Raises:
        ValueError: no take has a hand that is observed and not at rest.
    """
    pairs: dict[str, list[tuple[Relations, Relations]]] = {}
    for take, other in zip(takes, others, strict=True):
        seen = tracked(take)
        for keypoints in skeleton.HAND.values():
            frames = seen[:, keypoints].all(axis=1)
            if frames.any():
                real = take.clip.positions[frames][:, keypoints]
                both = relations(real), relations(other[frames][:, keypoints])
                pairs.setdefault(take.text, []).append(both)
    if not pairs:
        raise ValueError("no take has a hand that is observed and not at rest; give takes of signing")
    everything = _agreement([pair for of_text in pairs.values() for pair in of_text])
    return everything, {text: _agreement(pairs[text]) for text in sorted(pairs)}


def _agreement(pairs: Sequence[tuple[Relations, Relations]]) -> Agreement:
    real, other = (
        {name: np.concatenate([getattr(pair[i], name) for pair in pairs]) for name in vars(pairs[0][i])} for i in (0, 1)
    )
    order, crossed = _kept(real["order_mm"], other["order_mm"], CROSSED_MM, CLEAR_MM)
    contact, touching = _kept(real["finger_gap_mm"], other["finger_gap_mm"], TOUCHING_MM, NEAR_MM)
    return Agreement(
        order=order,
        crossed=crossed,
        contact=contact,
        touching=touching,
        spread_degrees=float(np.abs(real["spread_degrees"] - other["spread_degrees"]).mean()),
        order_mm=float(np.median(real["order_mm"][:, 0])),
        other_order_mm=float(np.median(other["order_mm"][:, 0])),
        frames=len(real["order_mm"]),
    )


def _kept(real: np.ndarray, other: np.ndarray, limit: float, margin: float) -> tuple[float, float | None]:
    """Share of clear relations that are on the same side of the limit, and of those below it; None if few are."""
    clear = np.abs(real - limit) >= margin
    below, same = clear & (real < limit), (real < limit) == (other < limit)
    enough = below.sum() >= _FEW
    return float(same[clear].mean()) if clear.any() else 1.0, float(same[below].mean()) if enough else None
