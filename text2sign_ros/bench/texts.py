"""Texts to measure with, made of a bundle's vocabulary, or of common words if it has none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from text2sign_ros.inference.bundle import Bundle, UnitSettings
from text2sign_ros.text.sentences import EXAMPLES

SENTENCE = 8
"""Signs in a sentence of a long text."""


def _words(bundle: Bundle) -> list[str]:
    return bundle.segmenter.signs if isinstance(bundle.segmenter, UnitSettings) else list(EXAMPLES)


def single(bundle: Bundle, seed: int = 0) -> list[str]:
    """Every sign and letter once, in random order, except the first sign, which a signer warms up with.

    All are different, so that none finds its embedding in the encoder's cache. For a bundle without a vocabulary, every
    ordered pair of common words.
    """
    rng, settings = np.random.default_rng(seed), bundle.segmenter
    if isinstance(settings, UnitSettings):
        return [str(text) for text in rng.permutation(settings.signs[1:] + settings.letters)]
    return [str(text) for text in rng.permutation([" ".join(pair) for pair in itertools.permutations(EXAMPLES, 2)])]


def clauses(bundle: Bundle, seed: int = 0) -> Iterator[str]:
    """An endless stream of clauses of five random signs, very rarely the same twice."""
    rng = np.random.default_rng(seed)
    while True:
        yield " ".join(rng.choice(_words(bundle), 5))


def long(bundle: Bundle, words: int, seed: int = 0) -> str:
    """Sentences of ``SENTENCE`` random signs, at least ``words`` words in all; the last sign may exceed that."""
    rng = np.random.default_rng(seed)
    sentences: list[list[str]] = []
    while words > 0:
        sign = str(rng.choice(_words(bundle)))
        if not sentences or len(sentences[-1]) == SENTENCE:
            sentences.append([])
        sentences[-1].append(sign)
        words -= len(sign.split())
    return " ".join(" ".join(sentence) + "." for sentence in sentences)
