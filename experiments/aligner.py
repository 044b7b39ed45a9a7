"""The aligner's shared space: retrieval on held-out sentences, similarities of texts and poses, and maps.

``python -m experiments.aligner --data data/asl_cafe``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE

from text2sign_ros.clip import write_whole
from text2sign_ros.evaluation import learnt
from text2sign_ros.evaluation.retrieval import embed_poses, embed_texts, pools, retrieval
from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.training.config import CorpusConfig
from text2sign_ros.training.segments import Segments
from text2sign_ros.training.sentences import compose
from text2sign_ros.training.train import segments_of


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

    On the left each held-out sign as the mean of its codes over time; on the right the same signs and, as squares,
    the texts in the shared space. Each word's name is written just above the median of its poses.
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
    """Indices of the texts of these segments: words, then letters, each in alphabetical order."""
    texts = np.unique(segments.text[poses])
    return np.array(sorted(texts, key=lambda text: (segments.texts[text] in segments.letters, segments.texts[text])))


def _project(points: np.ndarray, metric: str) -> np.ndarray:
    """(n, D) -> (n, 2)."""
    perplexity = min(30.0, (len(points) - 1) / 3)  # scikit-learn's default if there are enough points
    return TSNE(metric=metric, perplexity=perplexity, init="pca", random_state=0).fit_transform(points)


def _colours(count: int) -> np.ndarray:
    """(count, 4) RGBA; neighbours in the list are far apart in hue, so that colours of similar words differ."""
    from matplotlib import colormaps

    golden = (np.arange(count) * 0.618034) % 1.0
    return colormaps["hsv"](golden) * np.array((0.82, 0.82, 0.82, 1.0))


def _name(axes, text: str, at: np.ndarray, colour: np.ndarray) -> None:
    """Write the text just above a point, so that the point stays visible."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text, at, xytext=(0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=10, weight="bold",
        color=(*(0.6 * colour[:3]), 1.0), path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a bundle on sentences composed from the test split, print the results as JSON, draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument("--data", type=Path, required=True, help="folder of asl_cafe")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluation"), help="what is kept between runs")
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
