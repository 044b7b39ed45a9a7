"""How much of the motion the codes keep: errors of reconstructed hands, and whether the encoder uses its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import Example, Kind
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.progress import progress_bar

_AT_REST = 1e-3  # metres; no tracked hand stays this close to the rest pose for a whole take
_ACTIVE_VARIANCE = 0.01
WAVING = "hello"
"""The sign whose waving is measured separately."""


@dataclass(frozen=True)
class HandError:
    """Distances of reconstructed hands from recorded ones, over all takes measured.

    Means are over all observed keypoints of all frames, so that longer takes count more. A hand that was out of view,
    which the corpus reader put into the rest pose, does not count as observed: it is easy to reconstruct and would
    flatter the result.

    Attributes:
        mm: mean distance of a hand keypoint from its recorded position, millimetres.
        words_mm, letters_mm: the same over takes of words and of letters.
        with_resting_mm: the same over all takes, hands at rest included, as in the training curve.
        velocity_mm: mean length of the difference in velocity, millimetres per frame of 1/25 s.
        distance_ratio: path length of the reconstructed hand keypoints over that of the recorded ones.
        hello_distance_ratio: the same over takes of "hello", which waves: 1 keeps the wave, a blurred one is shorter.
    """

    mm: float
    words_mm: float
    letters_mm: float
    with_resting_mm: float
    velocity_mm: float
    distance_ratio: float
    hello_distance_ratio: float


@dataclass(frozen=True)
class Posterior:
    """Whether the encoder uses its code, over all codes of the takes measured.

    Attributes:
        active: units whose posterior mean has a variance over the data above 0.01 (Burda et al. 2016, section 4.2).
        variances: (D,) those variances; the prior's is 1.
        kl: (D,) mean divergence of the posterior from the prior, nats per code.
    """

    active: int
    variances: tuple[float, ...]
    kl: tuple[float, ...]


def hand_error(vae: PoseVAE, takes: Sequence[Example]) -> HandError:
    """Error of the takes reconstructed from their mean codes.

    Raises:
        ValueError: the takes lack a word, a letter or a "hello".
    """
    return error_through(partial(rebuild, vae), takes)


def error_through(through: Callable[[np.ndarray], np.ndarray], takes: Sequence[Example]) -> HandError:
    """Error of the takes reconstructed by ``through``, (T, 79, 3) metres -> the same.

    Raises:
        ValueError: as ``hand_error``.
    """
    bar = progress_bar(takes, desc="reconstructing takes")
    return motion_error(takes, [through(take.clip.positions) for take in bar])


def motion_error(takes: Sequence[Example], rebuilt: Sequence[np.ndarray]) -> HandError:
    """Error of any reconstruction, (T, 79, 3) metres for each take.

    Raises:
        ValueError: the takes lack a word, a letter or a "hello".
    """
    sums = np.array([_sums(take, motion) for take, motion in zip(takes, rebuilt, strict=True)])  # (takes, 8)
    letter = np.array([take.unit is not None and take.unit.kind == Kind.LETTER for take in takes])
    waving = np.array([take.text == WAVING for take in takes])
    if not (letter.any() and waving.any()):
        raise ValueError(
            f'takes of letters, of words and of "{WAVING}" are needed to measure how well each is reconstructed'
        )

    def ratio(above: int, below: int, chosen: np.ndarray | slice = slice(None)) -> float:
        return float(sums[chosen, above].sum() / sums[chosen, below].sum())

    return HandError(
        mm=1000 * ratio(0, 1),
        words_mm=1000 * ratio(0, 1, ~letter),
        letters_mm=1000 * ratio(0, 1, letter),
        with_resting_mm=1000 * ratio(2, 3),
        velocity_mm=1000 * ratio(4, 5),
        distance_ratio=ratio(6, 7),
        hello_distance_ratio=ratio(6, 7, waving),
    )


def _sums(take: Example, rebuilt: np.ndarray) -> tuple[float, ...]:
    """Distance and count, both with resting hands too, velocity error and count, path lengths rebuilt and real."""
    real, rebuilt = take.clip.positions[:, skeleton.HANDS], rebuilt[:, skeleton.HANDS]
    seen, signing = (take.clip.confidence > 0)[:, skeleton.HANDS], tracked(take)[:, skeleton.HANDS]
    both = signing[1:] & signing[:-1]
    distance = np.linalg.norm(rebuilt - real, axis=-1)
    steps, rebuilt_steps = np.diff(real, axis=0), np.diff(rebuilt, axis=0)
    velocity = np.linalg.norm(rebuilt_steps - steps, axis=-1)
    ways = (np.linalg.norm(s, axis=-1)[both].sum() for s in (rebuilt_steps, steps))
    errors = (distance[signing].sum(), signing.sum(), distance[seen].sum(), seen.sum(), velocity[both].sum())
    return (*errors, both.sum(), *ways)


def tracked(take: Example) -> np.ndarray:
    """(T, 79) bool: the keypoints that are observed, and are not those of a hand that rests for the whole take."""
    signing = take.clip.confidence > 0
    for hand in skeleton.HAND.values():
        if np.abs(take.clip.positions[:, hand] - skeleton.REST_POSE[hand]).max() < _AT_REST:
            signing[:, hand] = False
    return signing


def travelled(take: Example) -> float:
    """Total path length of the keypoints of tracked hands, metres."""
    return _sums(take, take.clip.positions)[-1]


@torch.no_grad()
def rebuild(vae: PoseVAE, positions: np.ndarray) -> np.ndarray:
    """Encode (T, 79, 3) metres to mean codes and decode them again."""
    codes, _ = vae.encode(whole_codes(positions, vae.config.stride))
    return vae.decode(codes)[0, : len(positions)].numpy()


@torch.no_grad()
def posterior(vae: PoseVAE, takes: Sequence[Example]) -> Posterior:
    """Active units and divergence over the takes, to see whether the posterior collapsed."""
    encoded = [vae.encode(whole_codes(take.clip.positions, vae.config.stride)) for take in takes]
    mean, log_variance = (torch.cat([pair[i][0] for pair in encoded], dim=1) for i in (0, 1))  # (D, codes)
    variances = mean.var(dim=1)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(dim=1)
    return Posterior(int((variances > _ACTIVE_VARIANCE).sum()), tuple(variances.tolist()), tuple(kl.tolist()))


def whole_codes(positions: np.ndarray, frames_per_code: int) -> Tensor:
    """(1, T', 79, 3): the last frame repeated until the last code is full."""
    missing = -len(positions) % frames_per_code
    return torch.from_numpy(np.concatenate((positions, np.repeat(positions[-1:], missing, axis=0))))[None]
