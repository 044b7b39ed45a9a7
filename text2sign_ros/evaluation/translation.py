"""Scores of what was read in a motion against its reference sentence, with confidence intervals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from text2sign_ros.errors import Text2SignError

Units = Sequence[str]
"""A sentence as signs ("thank you") and letters ("g")."""

_ORDER = 4


class TranslationError(Text2SignError):
    """Sentences can't be scored."""


@dataclass(frozen=True)
class Scores:
    """Error rates are relative to the reference (0 is best; insertions can bring them above 1); the others go from 0 to
    100.

    Attributes:
        word_error_rate: over the units of the sentences without spelled words, that is without two
            consecutive letters; "a" and "i" are words there. None if there is no such sentence.
        letter_error_rate: over the units of the sentences that are only spelled: at least two letters, no sign. None if
            there is no such sentence.
        bleu1: BLEU of the texts (``to_text``) with unigrams only; ``bleu2`` to ``bleu4`` with n-grams up to that
            length. Corpus level, by sacreBLEU (Post, WMT 2018). Sentences shorter than n have no n-grams, so that the
            BLEU-4 of single words is 0 even if all are read.
        chrf: chrF2 of the texts, by sacreBLEU.
        rouge_l: F1 of the longest common subsequence of words (Lin, 2004), the mean over sentences.
    """

    word_error_rate: float | None
    letter_error_rate: float | None
    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    chrf: float
    rouge_l: float


def to_text(units: Units, letters: Collection[str]) -> str:
    """Units as text, consecutive ``letters`` joined to one spelled word: "hello grace".

    The letters "a" and "i" are words too, but join with adjacent letters, in references and hypotheses alike.
    """
    runs = itertools.groupby(units, key=lambda unit: unit in letters)
    return " ".join("".join(run) if spelled else " ".join(run) for spelled, run in runs)


def error_rate(references: Sequence[Units], hypotheses: Sequence[Units]) -> float:
    """Insertions, deletions and substitutions of units, all sentences together, per unit of the references.

    Raises:
        TranslationError: as ``score``.
    """
    _check(references, hypotheses)
    return _ratio(_edits(references, hypotheses, ()).sum(axis=0))


def score(references: Sequence[Units], hypotheses: Sequence[Units], letters: Collection[str]) -> Scores:
    """All scores of the sentences read (hypotheses) against the references.

    Args:
        letters: which units are letters; the others are signs.

    Raises:
        TranslationError: there are no sentences, their numbers differ, or a reference is empty.
    """
    _check(references, hypotheses)
    values: dict[str, float | None] = {}
    for name, (of, value) in _METRICS.items():
        chosen = _chosen(name, references, letters)
        sums = of([references[i] for i in chosen], [hypotheses[i] for i in chosen], letters).sum(axis=0)
        values[name] = value(sums) if chosen else None
    read, meant = ([to_text(units, letters) for units in sentences] for sentences in (hypotheses, references))
    chrf = CHRF().corpus_score(read, [meant]).score
    return Scores(**values, chrf=chrf)  # type: ignore[arg-type]


def bootstrap(
    references: Sequence[Units],
    hypotheses: Sequence[Units],
    metric: str,
    letters: Collection[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % percentile interval of a score by resampling the sentences (Koehn, EMNLP 2004).

    Args:
        metric: a field of ``Scores`` except chrf.
        letters: as for ``score``.

    Raises:
        TranslationError: as ``score``; or the metric is another, or no sentence counts for it.
    """
    return _interval(_resampled(references, [hypotheses], metric, letters, resamples, seed)[0])


def bootstrap_difference(
    references: Sequence[Units],
    hypotheses: Sequence[Units],
    others: Sequence[Units],
    metric: str,
    letters: Collection[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of the score of ``hypotheses`` minus that of ``others`` for the same references, with the same
    resamples (paired bootstrap).

    Raises:
        TranslationError: as ``bootstrap``.
    """
    first, second = _resampled(references, [hypotheses, others], metric, letters, resamples, seed)
    return _interval(first - second)


def _resampled(
    references: Sequence[Units],
    systems: Sequence[Sequence[Units]],
    metric: str,
    letters: Collection[str],
    resamples: int,
    seed: int,
) -> list[np.ndarray]:
    """(resamples,) scores of each system. A resample gives each sentence a count; all metrics are made of sums."""
    if metric not in _METRICS:
        raise TranslationError(f"there is no interval of {metric!r}; there is one of {', '.join(_METRICS)}")
    for hypotheses in systems:
        _check(references, hypotheses)
    chosen = _chosen(metric, references, letters)
    if not chosen:
        raise TranslationError(f"no sentence counts for {metric}; give some that do")
    draws = np.random.default_rng(seed).multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), size=resamples)
    of, value = _METRICS[metric]
    meant = [references[i] for i in chosen]
    rows = [of(meant, [hypotheses[i] for i in chosen], letters) for hypotheses in systems]
    return [np.array([value(sums) for sums in draws @ row]) for row in rows]


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _chosen(metric: str, references: Sequence[Units], letters: Collection[str]) -> list[int]:
    """The sentences that count for a metric."""
    kind = {"word_error_rate": _is_signed, "letter_error_rate": _is_spelled}.get(metric)
    return [i for i, units in enumerate(references) if kind is None or kind(units, letters)]


def _is_signed(units: Units, letters: Collection[str]) -> bool:
    return not any(a in letters and b in letters for a, b in itertools.pairwise(units))


def _is_spelled(units: Units, letters: Collection[str]) -> bool:
    return len(units) > 1 and all(unit in letters for unit in units)


def _edits(references: Sequence[Units], hypotheses: Sequence[Units], _: Collection[str]) -> np.ndarray:
    """(n, 2): edit distance, and length of the reference."""
    pairs = zip(references, hypotheses, strict=True)
    return np.array([(Levenshtein.distance(r, h), len(r)) for r, h in pairs], float).reshape(-1, 2)


def _phrases(references: Sequence[Units], hypotheses: Sequence[Units], letters: Collection[str]) -> np.ndarray:
    """(n, 10): matching n-grams for n from 1 to 4, n-grams read, words read, words of the reference."""
    bleu = BLEU(max_ngram_order=_ORDER, effective_order=True)
    pairs = zip(references, hypotheses, strict=True)
    found = [bleu.sentence_score(to_text(h, letters), [to_text(r, letters)]) for r, h in pairs]
    return np.array([(*s.counts, *s.totals, s.sys_len, s.ref_len) for s in found], float)


def _common(references: Sequence[Units], hypotheses: Sequence[Units], letters: Collection[str]) -> np.ndarray:
    """(n, 2): ROUGE-L in percent, and 1."""
    rouge = RougeScorer(["rougeL"])
    pairs = ((to_text(r, letters), to_text(h, letters)) for r, h in zip(references, hypotheses, strict=True))
    return np.array([(100 * rouge.score(meant, read)["rougeL"].fmeasure, 1) for meant, read in pairs])


def _ratio(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1])


def _bleu(order: int) -> Callable[[np.ndarray], float]:
    def value(sums: np.ndarray) -> float:
        counts = [int(n) for n in sums]
        right, read, (words_read, words_meant) = counts[:order], counts[_ORDER : _ORDER + order], counts[-2:]
        bleu = BLEU.compute_bleu(right, read, words_read, words_meant, smooth_method="exp", max_ngram_order=order)
        return bleu.score

    return value


_Count = Callable[[Sequence[Units], Sequence[Units], Collection[str]], np.ndarray]
_METRICS: dict[str, tuple[_Count, Callable[[np.ndarray], float]]] = {
    "word_error_rate": (_edits, _ratio),
    "letter_error_rate": (_edits, _ratio),
    **{f"bleu{order}": (_phrases, _bleu(order)) for order in range(1, _ORDER + 1)},
    "rouge_l": (_common, _ratio),
}
"""For each metric, what is counted in every sentence, and how the sums become the score."""


def _check(references: Sequence[Units], hypotheses: Sequence[Units]) -> None:
    if len(references) != len(hypotheses) or not references:
        raise TranslationError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give equally many, and at least one"
        )
    for number, units in enumerate(references):
        if not units:
            raise TranslationError(f"reference {number} is empty; leave it out")
