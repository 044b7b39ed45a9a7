"""How well the aligner's shared space joins text and motion: retrieval both ways, similarities, and maps.

``python -m text2sign_ros.evaluation.retrieval --data ../shared/data/asl_cafe``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.manifold import TSNE

from text2sign_ros.clip import write_whole
from text2sign_ros.evaluation import learnt
from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.training.config import CorpusConfig
from text2sign_ros.training.segments import Segments
from text2sign_ros.training.sentences import compose
from text2sign_ros.training.train import segments_of

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


def pools(segments: Segments, labels: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the segments in the pool of single signs and in that of several."""
    rng = np.random.default_rng(0)
    single = np.isin(segments.texts, list(labels))
    several = rng.permutation(np.flatnonzero(~single))[:SEVERAL_TEXTS]
    order = rng.permutation(len(segments.text))

    def draw(texts: np.ndarray, each: int) -> np.ndarray:
        return np.concatenate([order[segments.text[order] == text][:each] for text in texts])

    return draw(np.flatnonzero(single), SINGLE_POSES), draw(several, 1)


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


def similarity_picture(aligner: Aligner, segments: Segments, labels: Collection[str], path: Path) -> None:
    """Draw the mean cosine similarity of every single sign's text (rows) to the poses of every sign (columns)."""
    from matplotlib.figure import Figure

    poses, _ = pools(segments, labels)
    texts = _words_first(segments, poses)
    embedded = embed_poses(aligner, segments, poses)
    means = np.stack([embedded[segments.text[poses] == text].mean(axis=0) for text in texts])
    similarity = embed_texts(aligner, segments, texts) @ means.T
    names = segments.texts[texts]
    figure = Figure(figsize=(10.5, 9.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(similarity, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="held-out poses, mean of each sign", ylabel="text")
    figure.colorbar(image, label="cosine similarity", shrink=0.7)
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=120)


def map_picture(aligner: Aligner, segments: Segments, labels: Collection[str], path: Path) -> None:
    """Draw single signs on two maps by t-SNE (van der Maaten and Hinton 2008), coloured by word.

    On the left each held-out sign as the mean of its codes over time; on the right in the shared space, the texts
    with them as squares. Each word's name stands at the middle of its poses, just above it.
    """
    from matplotlib.figure import Figure

    poses, _ = pools(segments, labels)
    texts = _words_first(segments, poses)
    spans = zip(segments.start[poses], segments.length[poses], strict=True)
    codes = np.stack([segments.codes[start : start + length].mean(dim=0).numpy() for start, length in spans])
    shared = np.concatenate((embed_poses(aligner, segments, poses), embed_texts(aligner, segments, texts)))
    figure = Figure(figsize=(17, 8.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    number = {int(text): i for i, text in enumerate(texts)}
    word = np.array([number[int(text)] for text in segments.text[poses]])
    colours = _colours(len(texts))
    for axes, points in ((left, _project(codes, "euclidean")), (right, _project(shared, "cosine"))):
        axes.scatter(*points[: len(poses)].T, s=9, c=colours[word], alpha=0.7, linewidths=0)
        for i, text in enumerate(texts):
            _name(axes, str(segments.texts[text]), np.median(points[: len(poses)][word == i], axis=0), colours[i])
        axes.scatter(*points[len(poses) :].T, s=30, c=colours[: len(points) - len(poses)], marker="s", edgecolors="k")
        axes.set(xticks=[], yticks=[])
    left.set_title("Codes, mean over each sign")
    right.set_title("Shared space: poses (dots) and texts (squares)")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def _words_first(segments: Segments, poses: np.ndarray) -> np.ndarray:
    """Numbers of the texts of these segments: words, then letters, each by the alphabet."""
    texts = np.unique(segments.text[poses])
    return np.array(sorted(texts, key=lambda text: (segments.texts[text] in segments.letters, segments.texts[text])))


def _project(points: np.ndarray, metric: str) -> np.ndarray:
    """(n, D) -> (n, 2)."""
    perplexity = min(30.0, (len(points) - 1) / 3)  # scikit-learn's default, where there are points enough
    return TSNE(metric=metric, perplexity=perplexity, init="pca", random_state=0).fit_transform(points)


def _colours(count: int) -> np.ndarray:
    """(count, 4): neighbours in the list far apart in hue, so that similar words' colours differ."""
    from matplotlib import colormaps

    golden = (np.arange(count) * 0.618034) % 1.0
    return colormaps["hsv"](golden) * np.array((0.82, 0.82, 0.82, 1.0))


def _name(axes, text: str, at: np.ndarray, colour: np.ndarray) -> None:
    """Write the text just above the place, so that what lies there stays in sight."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text, at, xytext=(0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=10, weight="bold",
        color=(*(0.6 * colour[:3]), 1.0), path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a bundle on sentences composed from the test split, print the figures as JSON, draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl_cafe"))
    parser.add_argument("--data", type=Path, required=True, help="folder of asl_cafe")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluation"), help="what can be kept between runs")
    parser.add_argument("--pictures", type=Path, default=Path("docs"), help="folder of the pictures")
    options = parser.parse_args(arguments)
    networks = learnt.load(options.bundle)
    sentences = compose((CorpusConfig("asl_cafe", str(options.data)),), "test", 300, 0, options.work)
    segments = segments_of(networks.config, sentences, networks.sign_vae, networks.encoder)
    labels = set(sentences.labels.tolist())
    print(json.dumps(asdict(retrieval(networks.aligner, segments, labels)), indent=1))
    similarity_picture(networks.aligner, segments, labels, options.pictures / "aligner_similarity.png")
    map_picture(networks.aligner, segments, labels, options.pictures / "aligner_map.png")


if __name__ == "__main__":
    main()
