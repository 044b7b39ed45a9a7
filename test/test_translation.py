"""Scores of what was read: values worked out by hand, and intervals that hold what they should."""

from __future__ import annotations

import math
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.translation import (
    Scores,
    TranslationError,
    bootstrap,
    bootstrap_difference,
    error_rate,
    score,
    to_text,
)

LETTERS = frozenset(string.ascii_lowercase)
UNITS = ("hello", "thank you", "a", "b", "i", "please", "coffee")
SENTENCES = st.lists(st.lists(st.sampled_from(UNITS), min_size=1, max_size=6), min_size=1, max_size=6)
INTERVALS = ("word_error_rate", "letter_error_rate", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l")


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (["hello", "g", "r", "a", "c", "e", "thank you"], "hello grace thank you"),
        (["can", "i", "get", "a", "large", "coffee"], "can i get a large coffee"),
        (["i", "a", "d", "a"], "iada"),
        (["l", "l"], "ll"),
        ([], ""),
    ],
)
def test_letters_join_to_words(units: list[str], text: str) -> None:
    assert to_text(units, LETTERS) == text


def test_error_rate_by_hand() -> None:
    references = [["hello", "thank you"], ["a", "l", "l"], ["no"]]
    assert error_rate(references, references) == 0
    # One substitution, one deletion, two insertions, of six.
    hypotheses = [["hello", "bye"], ["a", "l"], ["no", "no", "no"]]
    assert error_rate(references, hypotheses) == pytest.approx(4 / 6)
    assert error_rate(references, [[], [], []]) == 1
    assert error_rate([["a"]], [["b", "c", "d"]]) == 3


def test_words_and_letters_are_counted_in_their_own_sentences() -> None:
    references = [["i", "get", "a", "muffin"], ["c", "a", "t"], ["hello", "b", "o"], ["a"]]
    hypotheses = [["i", "get", "muffin"], ["c", "o", "t"], [], ["a"]]
    scores = score(references, hypotheses, LETTERS)
    assert scores.word_error_rate == pytest.approx(1 / 5)  # the first and the last
    assert scores.letter_error_rate == pytest.approx(1 / 3)  # the second
    signed = score([["hello"]], [["hello"]], LETTERS)
    assert (signed.word_error_rate, signed.letter_error_rate) == (0, None)
    spelled = score([["a", "b"]], [["a", "b"]], LETTERS)
    assert (spelled.word_error_rate, spelled.letter_error_rate) == (None, 0)


def test_bleu_and_rouge_by_hand() -> None:
    reference = ["hello", "can", "i", "get", "coffee"]
    scores = score([reference], [["hello", "can", "i", "coffee"]], LETTERS)
    brevity = math.exp(1 - 5 / 4)
    assert scores.bleu1 == pytest.approx(100 * brevity)
    assert scores.bleu2 == pytest.approx(100 * brevity * math.sqrt(2 / 3))
    assert scores.bleu3 == pytest.approx(100 * brevity * (2 / 3 * 1 / 2) ** (1 / 3))
    assert scores.rouge_l == pytest.approx(100 * 2 * 4 / 9)  # precision 4/4, recall 4/5
    assert 0 < scores.chrf < 100


def test_all_read_is_the_best_score() -> None:
    references = [["hello", "can", "i", "get", "tea", "please"], ["thank you", "c", "a", "t", "bye"], ["b", "o", "b"]]
    assert score(references, references, LETTERS) == Scores(0, 0, *[pytest.approx(100)] * 6)


def test_single_words_have_no_longer_phrases() -> None:
    scores = score([["hello"], ["bye"]], [["hello"], ["bye"]], LETTERS)
    assert (scores.bleu1, scores.bleu4) == (pytest.approx(100), 0)


def test_nothing_read_is_the_worst_score() -> None:
    assert score([["hello", "tea"], ["b", "o"]], [[], []], LETTERS) == Scores(1, 1, 0, 0, 0, 0, 0, 0)


@given(SENTENCES, st.data())
def test_bleu_is_sacrebleus_and_every_score_is_in_range(references: list[list[str]], data: st.DataObject) -> None:
    read = st.lists(st.sampled_from(UNITS), max_size=6)
    hypotheses = data.draw(st.lists(read, min_size=len(references), max_size=len(references)))
    scores = score(references, hypotheses, LETTERS)
    for order in range(1, 5):
        texts = [to_text(h, LETTERS) for h in hypotheses], [[to_text(r, LETTERS) for r in references]]
        expected = BLEU(max_ngram_order=order).corpus_score(*texts).score
        assert getattr(scores, f"bleu{order}") == pytest.approx(expected)
    assert all(0 <= value <= 100.0001 for value in vars(scores).values() if value is not None)


def _noisy(references: list[list[str]], share: float, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [["bye" if rng.random() < share else unit for unit in units] for units in references]


@pytest.fixture(scope="module")
def references() -> list[list[str]]:
    rng = np.random.default_rng(0)
    signed = [list(rng.choice(("hello", "tea", "please", "no"), 5)) for _ in range(60)]
    return signed + [list(rng.choice(("a", "b", "c"), 4)) for _ in range(60)]


@pytest.mark.parametrize("metric", INTERVALS)
def test_the_interval_holds_the_score(references: list[list[str]], metric: str) -> None:
    hypotheses = _noisy(references, 0.2, seed=1)
    low, high = bootstrap(references, hypotheses, metric, LETTERS)
    assert low < getattr(score(references, hypotheses, LETTERS), metric) < high
    assert bootstrap(references, hypotheses, metric, LETTERS) == (low, high)
    assert bootstrap(references, hypotheses, metric, LETTERS, seed=1) != (low, high)


def test_the_interval_is_as_wide_as_theory_says() -> None:
    references = [["hello"]] * 400
    hypotheses = [["hello"]] * 300 + [["bye"]] * 100
    low, high = bootstrap(references, hypotheses, "word_error_rate", LETTERS, resamples=4000)
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == (pytest.approx(0.25 - half, abs=0.006), pytest.approx(0.25 + half, abs=0.006))


@pytest.mark.parametrize("metric", INTERVALS)
def test_differences_are_of_the_same_draws(references: list[list[str]], metric: str) -> None:
    worse, better = _noisy(references, 0.4, seed=2), _noisy(references, 0.1, seed=3)
    low, high = bootstrap_difference(references, worse, better, metric, LETTERS)
    sign = 1 if metric.endswith("error_rate") else -1
    assert min(sign * low, sign * high) > 0
    assert bootstrap_difference(references, worse, worse, metric, LETTERS) == (0, 0)
    back = bootstrap_difference(references, better, worse, metric, LETTERS)
    assert back == (pytest.approx(-high), pytest.approx(-low))


@pytest.mark.parametrize(
    ("references", "hypotheses", "words"),
    [
        ([], [], "at least one"),
        ([["a"]], [["a"], ["b"]], "1 references and 2 hypotheses"),
        ([["a"], []], [["a"], ["b"]], "reference 1 is empty"),
    ],
)
def test_what_cannot_be_scored(references: list[list[str]], hypotheses: list[list[str]], words: str) -> None:
    for scores in (error_rate, lambda r, h: score(r, h, LETTERS), lambda r, h: bootstrap(r, h, "bleu4", LETTERS)):
        with pytest.raises(Text2SignError, match=words):
            scores(references, hypotheses)


def test_intervals_there_are_none_of() -> None:
    with pytest.raises(TranslationError, match="no interval of 'chrf'"):
        bootstrap([["a"]], [["a"]], "chrf", LETTERS)
    with pytest.raises(TranslationError, match="no sentence counts for letter_error_rate"):
        bootstrap([["a"]], [["a"]], "letter_error_rate", LETTERS)
