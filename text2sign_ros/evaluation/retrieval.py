"""How well the aligner's shared space matches text and motion: retrieval in both directions."""

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
    """How high the correct candidate ranks; the best correct one counts, 1 is the top.

    Attributes:
        recall_1, recall_5: share of queries with a correct candidate first, and among the first five.
        median_rank: median over the queries.
        chance_recall_1, chance_recall_5, chance_median_rank: the same for a random order of the candidates.
        queries, candidates: how many.
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
    """Both directions, for single signs and for segments of several signs; equal texts count as the same."""

    single_text_to_pose: Ranking
    single_pose_to_text: Ranking
    several_text_to_pose: Ranking
    several_pose_to_text: Ranking


def retrieval(aligner: Aligner, segments: Segments, labels: Collection[str]) -> Retrieval:
    """Retrieval within held-out segments.

    The pool of single signs holds every label's text and up to ``SINGLE_POSES`` random poses of each, so that frequent
    ones do not count more. The pool of several holds up to ``SEVERAL_TEXTS`` random distinct texts and one
    random pose of each. The same seed draws the same pools.

    Args:
        aligner: trained.
        segments: of sentences that were not trained on; both single signs and several must occur.
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
    """Indices of the segments in the pool of single signs and in the pool of several."""
    rng = np.random.default_rng(0)
    single = np.isin(segments.texts, list(labels))
    several = rng.permutation(np.flatnonzero(~single))[:several_texts]
    order = rng.permutation(len(segments.text))

    def draw(texts: np.ndarray, each: int) -> np.ndarray:
        return np.concatenate([order[segments.text[order] == text][:each] for text in texts])

    return draw(np.flatnonzero(single), single_poses), draw(several, 1)


def ranking(similarity: np.ndarray, same: np.ndarray) -> Ranking:
    """Statistics of (queries, candidates) similarities; ``same`` is true where a candidate is correct."""
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
    """(queries,) rank of the best correct candidate of each query, 1 at best.

    Wrong candidates that tie with the best correct one rank before it, so that equal similarities score nothing.

    Args:
        similarity: (queries, candidates), larger is closer.
        same: (queries, candidates) bool, true where a candidate is correct; each query has at least one.
    """
    best = np.where(same, similarity, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarity >= best) & ~same).sum(axis=1)


def chance(same: np.ndarray) -> np.ndarray:
    """(candidates,) expected share of queries with rank at most 1, 2, … in a random order."""
    count, right = same.shape[1], same.sum(axis=1, keepdims=True)
    place = np.arange(count)
    missed = np.cumprod(np.maximum(0, count - right - place) / (count - place), axis=1)
    return 1 - missed.mean(axis=0)


@torch.no_grad()
def embed_poses(aligner: Aligner, segments: Segments, chosen: np.ndarray) -> np.ndarray:
    """(n, 512) unit vectors of the segments with these indices."""
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
    """(n, 512) unit vectors of the texts with these indices."""
    aligner.eval()
    parts = torch.from_numpy(texts).split(_BATCH)
    return torch.cat(
        [aligner.embed_text(segments.tokens[p].float(), segments.mask[p], segments.sentence[p]) for p in parts]
    ).numpy()
