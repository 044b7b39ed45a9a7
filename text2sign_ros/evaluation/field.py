"""The metrics that papers on sign language production report, by the names and rules of the code they share.

Figures of different evaluators do not compare: "DTW" alone means three things that differ by a factor of 70, and a
BLEU through back-translation says as much about the translator as about the signing. All of them reward standing
still: report ``motion_ratios`` and the rows of ``with_baselines`` beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from rapidfuzz.distance import LCSseq
from sacrebleu.metrics import BLEU, CHRF
from scipy.spatial.distance import cdist

from text2sign_ros import skeleton
from text2sign_ros.evaluation.metrics import MetricError, exact_dtw
from text2sign_ros.evaluation.translation import TranslationError, error_rate

Figure = TypeVar("Figure")

_BETA = 1.2
_WRISTS = [skeleton.INDEX["left_wrist"], skeleton.INDEX["right_wrist"]]


@dataclass(frozen=True)
class TextScores:
    """Percent, of white-space tokens as they are: case and a final full stop count; strip both from both sides where
    a paper does.

    Attributes:
        bleu1, bleu2, bleu3, bleu4: corpus BLEU with n-grams up to that length, no smoothing, no tokenisation beyond
            white space (sacreBLEU with ``tokenize="none", smooth_method="none"``; its defaults give another figure).
        rouge_l: F of the longest common subsequence with beta 1.2, mean over sentences (the package ``rouge-score``
            has beta 1, and splits umlauts).
        chrf: chrF2 of sacreBLEU.
        wer: insertions, deletions and substitutions per word of the references.
    """

    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge_l: float
    chrf: float
    wer: float


def text_scores(references: Sequence[str], hypotheses: Sequence[str]) -> TextScores:
    """Scores of what was read in the signing against what was to be signed.

    Raises:
        TranslationError: there are no sentences, their numbers differ, or a reference is empty.
    """
    words = [[text.split() for text in texts] for texts in (references, hypotheses)]
    wer = 100 * error_rate(*words)  # checks both
    meant, said = ([" ".join(sentence) for sentence in side] for side in words)
    bleu = {
        f"bleu{n}": BLEU(tokenize="none", smooth_method="none", max_ngram_order=n).corpus_score(said, [meant]).score
        for n in (1, 2, 3, 4)
    }
    return TextScores(**bleu, rouge_l=rouge_l(meant, said), chrf=CHRF().corpus_score(said, [meant]).score, wer=wer)


def rouge_l(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """ROUGE-L as in ``TextScores``.

    Raises:
        TranslationError: there are no sentences, or their numbers differ.
    """
    if len(references) != len(hypotheses) or not references:
        raise TranslationError(f"{len(references)} references and {len(hypotheses)} hypotheses; give equally many")
    return float(100 * np.mean([_rouge(r.split(), h.split()) for r, h in zip(references, hypotheses, strict=True)]))


def _rouge(reference: Sequence[str], hypothesis: Sequence[str]) -> float:
    common = LCSseq.similarity(reference, hypothesis)
    if not common:
        return 0.0
    precision, recall = common / len(hypothesis), common / len(reference)
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def dtw_progressive_transformers(reference: np.ndarray, hypothesis: np.ndarray) -> float:
    """DTW of Progressive Transformers (Saunders et al. 2020), of one sentence; a paper's figure is the mean over
    sentences.

    The cost of two frames is the sum of the absolute differences of all coordinates (150 of 50 joints), in the unit
    of ``.skels``, where the shoulders are 1/3 apart. The last column is the counter: it cuts each sequence before its
    largest value, and is then removed. Each sequence loses its first frame first: a batch of the authors' code holds
    the targets from the second frame on, and a prediction begins with a frame that is given. The sum along the exact
    best path is divided by the length of the reference that is left.

    Args:
        reference: (T, D + 1), at least two frames.
        hypothesis: (U, D + 1), likewise.

    Raises:
        MetricError: a shape is wrong, or a number is not finite.
    """
    cut = []
    for motion in (reference, hypothesis):
        motion = np.asarray(motion, float)
        if motion.ndim != 2 or len(motion) < 2 or motion.shape[1] != np.shape(reference)[1] or motion.shape[1] < 2:
            raise MetricError(
                f"a motion has shape {motion.shape}; (2 frames or more, coordinates and a counter) is needed"
            )
        if not np.isfinite(motion).all():
            raise MetricError("coordinates and counters must be finite")
        motion = motion[1:]
        cut.append(motion[: max(int(motion[:, -1].argmax()), 1), :-1])
    return exact_dtw(cdist(*cut, "cityblock")) / len(cut[0])


def dtw_mje_slrtp(references: Sequence[np.ndarray], hypotheses: Sequence[np.ndarray]) -> float:
    """DTW-MJE of the SLRTP-2025 challenge: mean distance of joints over all frames that are matched, of all sentences
    together.

    Frames are matched by ``fastdtw`` (radius 1), which is not exact, by the Euclidean distance of all coordinates
    together; hypotheses come first. A long sentence counts more than a short one. The unit is the input's; the
    challenge's is 178 points of a lift of unknown scale, at 12.5 frames a second: its evaluator halves 25 before. It
    leaves empty sequences out without a word; here they are refused.

    Args:
        references, hypotheses: equally many, each (T, K, 3).

    Raises:
        MetricError: numbers or shapes differ, a sequence is empty, or a position is not finite.
        ModuleNotFoundError: ``fastdtw`` is missing (extra ``train``).
    """
    from fastdtw import fastdtw

    total = count = 0.0
    for reference, hypothesis in _pairs(references, hypotheses):
        _, path = fastdtw(hypothesis.reshape(len(hypothesis), -1), reference.reshape(len(reference), -1), dist=2)
        ours, theirs = np.array(path).T
        distances = np.linalg.norm(hypothesis[ours] - reference[theirs], axis=-1)
        total, count = total + distances.sum(), count + distances.size
    return float(total / count)


@dataclass(frozen=True)
class MotionRatios:
    """How much is moved, relative to the references; 1 is as much, 0 is standing still.

    Attributes:
        travel: path length of a wrist, mean over sentences; mean of the ratios of both wrists (as SLRTP-2025 has it).
        variance: variance of a keypoint over time, mean over the keypoints of a sentence and over sentences.
    """

    travel: float
    variance: float


def motion_ratios(
    references: Sequence[np.ndarray], hypotheses: Sequence[np.ndarray], wrists: Sequence[int] = tuple(_WRISTS)
) -> MotionRatios:
    """Travel and variance of hypotheses over those of references; their numbers may differ, their frame rates must not.

    Args:
        references, hypotheses: each (T, K, 3).
        wrists: the joints whose travel is measured; default: those of the 79 keypoints.

    Raises:
        MetricError: a shape is wrong, a position is not finite, there is nothing, or the references stand still.
    """
    travel, variance = zip(*(_moved(motions, list(wrists)) for motions in (references, hypotheses)), strict=True)
    if min(*travel[0], variance[0]) <= 0:
        raise MetricError("the references stand still: there is nothing to compare with")
    return MotionRatios(float(np.mean(travel[1] / travel[0])), float(variance[1] / variance[0]))


def _moved(motions: Sequence[np.ndarray], wrists: list[int]) -> tuple[np.ndarray, float]:
    """Mean path length of each wrist, and mean variance."""
    motions = [_checked(motion) for motion in motions]
    if not motions:
        raise MetricError("there are no motions")
    paths = [np.linalg.norm(np.diff(motion[:, wrists], axis=0), axis=-1).sum(axis=0) for motion in motions]
    return np.mean(paths, axis=0), float(np.mean([motion.var(axis=0).sum(axis=-1).mean() for motion in motions]))


def frozen(motion: np.ndarray) -> np.ndarray:
    """The motion (T, …) with its mean in every frame: what a generator makes that has learnt to stand still."""
    motion = np.asarray(motion, float)
    return np.repeat(motion.mean(axis=0, keepdims=True), len(motion), axis=0)


def with_baselines(
    references: Sequence[np.ndarray],
    systems: Mapping[str, Sequence[np.ndarray]],
    measure: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Figure],
) -> dict[str, Figure]:
    """A table's column: what ``measure`` gives for each system, after the rows that say what it is worth.

    Args:
        references: real motions.
        systems: for each of them a motion of every system.
        measure: (references, motions) -> figure, such as ``dtw_mje_slrtp``.

    Returns:
        "ground truth" (the references themselves), "frozen pose" (their means), then the systems.
    """
    rows = {"ground truth": references, "frozen pose": [frozen(motion) for motion in references], **systems}
    return {name: measure(references, motions) for name, motions in rows.items()}


def _checked(motion: np.ndarray) -> np.ndarray:
    motion = np.asarray(motion, float)
    if motion.ndim != 3 or not motion.size or motion.shape[2] != 3:
        raise MetricError(f"positions have shape {motion.shape}; (frames, joints, 3) is needed")
    if not np.isfinite(motion).all():
        raise MetricError("positions must be finite")
    return motion


def _pairs(references: Sequence[np.ndarray], hypotheses: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(references) != len(hypotheses) or not len(references):
        raise MetricError(f"{len(references)} references and {len(hypotheses)} hypotheses: give equally many")
    pairs = [(_checked(r), _checked(h)) for r, h in zip(references, hypotheses, strict=True)]
    for reference, hypothesis in pairs:
        if reference.shape[1] != hypothesis.shape[1]:
            raise MetricError(f"a reference has {reference.shape[1]} joints and its hypothesis {hypothesis.shape[1]}")
    return pairs
