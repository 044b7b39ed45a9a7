"""Figures of a bundle: how well a reader trained on real takes reads real held-out takes, and generated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from text2sign_ros.evaluation.recogniser import Recogniser, real_windows, train
from text2sign_ros.inference.signer import Signer
from text2sign_ros.training.loop import save
from text2sign_ros.training.sentences import compose

_SENTENCES = {"train": 4000, "test": 300}
_RECOGNISER_STEPS = 1500


def evaluate(
    bundle: Path, data: Path, work: Path, *, seeds: int, steps: int | None = None, guidance: float | None = None
) -> dict[str, Any]:
    """Train the recogniser (once per ``work``), read real held-out and generated signs.

    Generated signs are read twice: each alone from rest, and within random sentences, going on from the sign before.

    Returns:
        shares read rightly, words and letters apart, and what they were measured on.
    """
    sentences = {split: compose(data, split, count, 0, work) for split, count in _SENTENCES.items()}
    recogniser = Recogniser(np.unique(sentences["train"].labels).tolist())
    weights = work / "recogniser.pt"
    if not weights.exists():
        save(train(sentences["train"], steps=_RECOGNISER_STEPS, seed=0).state_dict(), weights)
    recogniser.load_state_dict(torch.load(weights, weights_only=True))

    test = sentences["test"]
    signer = Signer(bundle, steps=steps, guidance=guidance)
    alone = [(label, seed) for label in recogniser.labels for seed in range(seeds)]
    windows = [generate(signer, label, seed)[0] for label, seed in tqdm(alone, desc="signs", mininterval=2.0)]
    labels = [label for label, _ in alone]
    within, within_labels = [], []
    for number in tqdm(range(min(100, 10 * seeds)), desc="sentences", mininterval=2.0):
        units = test.labels[test.unit_sentence == number].tolist()
        within += generate(signer, " ".join(units), seeds + number)
        within_labels += units
    return {
        "bundle": signer.bundle.name,
        "sampler": signer.sampler,
        "steps": signer.steps,
        "guidance": signer.guidance,
        "real_held_out": accuracy(recogniser, real_windows(test), test.labels.tolist()),
        "generated_alone": accuracy(recogniser, windows, labels),
        "generated_in_sentences": accuracy(recogniser, within, within_labels),
    }


def generate(signer: Signer, text: str, seed: int) -> list[np.ndarray]:
    """(T, 79, 3) of every segment that signing the text gives, the return to rest left out."""
    return list(signer.stream(signer.plan(text), seed=seed))[:-1]


def accuracy(recogniser: Recogniser, windows: list[np.ndarray], labels: list[str]) -> dict[str, Any]:
    """Shares of windows (T, 79, 3) read as their labels: words and letters apart, and the labels read worst."""
    right = np.array(recogniser.read(windows)) == np.array(labels)
    letters = np.array([len(label) == 1 for label in labels])
    misread = sorted({label for label, ok in zip(labels, right, strict=True) if not ok})
    shares = {label: float(right[np.array(labels) == label].mean()) for label in misread}
    return {
        "words": round(float(right[~letters].mean()), 4),
        "letters": round(float(right[letters].mean()), 4),
        "signs": len(labels),
        "worst": dict(sorted(((k, round(v, 3)) for k, v in shares.items()), key=lambda item: item[1])[:8]),
    }
