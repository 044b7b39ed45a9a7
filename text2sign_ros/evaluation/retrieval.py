"""How well the aligner's shared space joins text and motion: retrieval both ways."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.training.segments import Segments

SINGLE_POSES = 20
"""Poses of each single sign in the pool (all, if there are fewer)."""
SEVERAL_TEXTS = 1000
"""Distinct texts of several signs in the pool (all, if there are fewer), with one pose each."""
_BATCH = 64


@dataclass(frozen=True)
class Ranking:
    """How near the top the right candidate is found; the rank of the best right one counts, 1 is the top.

    Attributes:
        recall_1, recall_5: share of queries with a right candidate first, and among the first five.
        median_rank: median over the queries.
        chance_recall_1, chance_recall_5, chance_median_rank: what a random order of the candidates gives.
        queries, candidates: their numbers.
    """

    recall_1: float
    recall_5: float
    median_rank: float
    chance_recall_1: float
    chance_recall_5: float
    chance_median_rank: float
    queries: int
    candidates: int


@dataclass(frozen=True)
class Retrieval:
    """Both directions, single signs and segments of several signs apart; equal texts count as the same."""

    single_text_to_pose: Ranking
    single_pose_to_text: Ranking
    several_text_to_pose: Ranking
    several_pose_to_text: Ranking


def retrieval(aligner: Aligner, segments: Segments, labels: Collection[str]) -> Retrieval:
    """Retrieval within held-out segments.

    The pool of single signs holds every label's text and up to ``SINGLE_POSES`` random poses of each, so that none
    counts more for being frequent. The pool of several holds up to ``SEVERAL_TEXTS`` random distinct texts and one
    random pose of each. The same seed draws the same pools.

    Args:
        aligner: trained.
        segments: of sentences that were not trained on; single signs and several must both be among them.
        labels: what counts as a single sign: the labels of the corpus.
    """
    rankings = []
    for poses in pools(segments, labels):
        texts, text = np.unique(segments.text[poses], return_inverse=True)
        similarity = embed_texts(aligner, segments, texts) @ embed_poses(aligner, segments, poses).T
        same = np.arange(len(texts))[:, None] == text
        rankings += [ranking(similarity, same), ranking(similarity.T, same.T)]
    return Retrieval(*rankings)


def pools(
    segments: Segments,
    labels: Collection[str],
    *,
    single_poses: int = SINGLE_POSES,
    several_texts: int = SEVERAL_TEXTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the segments in the pool of single signs and in that of several."""
    rng = np.random.default_rng(0)
    single = np.isin(segments.texts, list(labels))
    several = rng.permutation(np.flatnonzero(~single))[:several_texts]
    order = rng.permutation(len(segments.text))

    def draw(texts: np.ndarray, each: int) -> np.ndarray:
        return np.concatenate([order[segments.text[order] == text][:each] for text in texts])

    return draw(np.flatnonzero(single), single_poses), draw(several, 1)


def ranking(similarity: np.ndarray, same: np.ndarray) -> Ranking:
    """Figures of (queries, candidates) similarities, ``same`` true where a candidate is right."""
    found, odds = ranks(similarity, same), chance(same)
    return Ranking(
        recall_1=float((found <= 1).mean()),
        recall_5=float((found <= 5).mean()),
        median_rank=float(np.median(found)),
        chance_recall_1=float(odds[0]),
        chance_recall_5=float(odds[min(5, len(odds)) - 1]),
        chance_median_rank=float(1 + np.argmax(odds >= 0.5)),
        queries=len(found),
        candidates=len(odds),
    )


def ranks(similarity: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(queries,) rank of the best right candidate of each query, 1 at best.

    Wrong candidates as similar as the best right one count as before it: who holds all alike has found nothing.

    Args:
        similarity: (queries, candidates), the larger the nearer.
        same: (queries, candidates) bool, true where a candidate is right; each query has at least one.
    """
    best = np.where(same, similarity, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarity >= best) & ~same).sum(axis=1)


def chance(same: np.ndarray) -> np.ndarray:
    """(candidates,) share of queries that a random order ranks 1 at worst, 2 at worst, and so on."""
    count, right = same.shape[1], same.sum(axis=1, keepdims=True)
    place = np.arange(count)
    missed = np.cumprod(np.maximum(0, count - right - place) / (count - place), axis=1)
    return 1 - missed.mean(axis=0)


@torch.no_grad()
def embed_poses(aligner: Aligner, segments: Segments, chosen: np.ndarray) -> np.ndarray:
    """(n, 512) at unit length, of the segments of these numbers."""
    aligner.eval()
    result = np.empty((len(chosen), aligner.config.shared_dim), np.float32)
    by_length = np.argsort(segments.length[chosen])
    for part in np.split(by_length, range(_BATCH, len(by_length), _BATCH)):
        longest = segments.length[chosen[part]].max() + segments.prefix
        batch = segments.gather(chosen[part], segments.buckets[np.searchsorted(segments.buckets, longest)])
        result[part] = aligner.embed_pose(batch.codes, batch.new).numpy()
    return result


@torch.no_grad()
def embed_texts(aligner: Aligner, segments: Segments, texts: np.ndarray) -> np.ndarray:
    """(n, 512) at unit length, of the texts of these numbers."""
    aligner.eval()
    parts = torch.from_numpy(texts).split(_BATCH)
    return torch.cat(
        [aligner.embed_text(segments.tokens[p].float(), segments.mask[p], segments.sentence[p]) for p in parts]
    ).numpy()
