"""The field's metrics against other implementations: by hand, sacreBLEU itself, and warping written out in full."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from published import sample
from sacrebleu.metrics import BLEU

from text2sign_ros.corpora import skels
from text2sign_ros.evaluation import field
from text2sign_ros.evaluation.metrics import MetricError, exact_dtw, mean_joint_error
from text2sign_ros.evaluation.translation import TranslationError

REFERENCES = (
    "und nun die wettervorhersage für morgen donnerstag den zwölften august .",
    "mancherorts regnet es auch länger und ergiebig .",
    "größere wolkenlücken finden sich vor allem im nordwesten .",
)
HYPOTHESES = (
    "und nun die wettervorhersage für morgen freitag den sechsten august .",
    "heute regnet es auch länger .",
    "größere lücken finden sich im nordwesten .",
)


def _bleu(n: int) -> float:
    """Corpus BLEU written out: clipped n-gram precisions, brevity penalty, no smoothing."""
    logs, lengths = [], [sum(len(text.split()) for text in texts) for texts in (HYPOTHESES, REFERENCES)]
    for order in range(1, n + 1):
        right = total = 0
        for reference, hypothesis in zip(REFERENCES, HYPOTHESES, strict=True):
            grams = [
                Counter(zip(*(text.split()[k:] for k in range(order)), strict=False))
                for text in (reference, hypothesis)
            ]
            right += (grams[0] & grams[1]).total()
            total += grams[1].total()
        logs.append(math.log(right / total))
    return 100 * min(1.0, math.exp(1 - lengths[1] / lengths[0])) * math.exp(sum(logs) / n)


def _lcs(a: list[str], b: list[str]) -> int:
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return _lcs(a[:-1], b[:-1]) + 1
    return max(_lcs(a[:-1], b), _lcs(a, b[:-1]))


def test_text_scores_equal_independent_values() -> None:
    scores = field.text_scores(REFERENCES, HYPOTHESES)
    for n in (1, 2, 3, 4):
        assert getattr(scores, f"bleu{n}") == pytest.approx(_bleu(n), abs=1e-6)
    rouge = []
    for reference, hypothesis in zip(REFERENCES, HYPOTHESES, strict=True):
        r, h = reference.split(), hypothesis.split()
        recall, precision = _lcs(r, h) / len(r), _lcs(r, h) / len(h)
        rouge.append((1 + 1.44) * precision * recall / (recall + 1.44 * precision))
    assert scores.rouge_l == pytest.approx(100 * sum(rouge) / 3, abs=1e-6)
    # 2 substitutions; 1 substitution and 2 deletions; 1 substitution and 2 deletions; of 11 + 8 + 9 words.
    assert scores.wer == pytest.approx(100 * 8 / 28, abs=1e-6)
    short = (REFERENCES[1:2], HYPOTHESES[2:])  # no n-gram of three words in common, which sacreBLEU smooths away
    assert field.text_scores(*short).bleu4 == 0.0 < BLEU().corpus_score(short[1], [short[0]]).score


def test_a_tiny_case_by_hand() -> None:
    scores = field.text_scores(["a b c d"], ["a b x d"])
    assert scores.bleu1 == pytest.approx(75.0, abs=1e-6)
    assert scores.bleu2 == pytest.approx(100 * math.sqrt(3 / 4 * 1 / 3), abs=1e-6)
    assert (scores.bleu3, scores.bleu4) == (0.0, 0.0)  # no smoothing
    assert scores.rouge_l == pytest.approx(75.0, abs=1e-6) and scores.wer == pytest.approx(25.0, abs=1e-6)
    # Characters without blanks: order 1 has 3 of 4, order 2 one of 3 ("ab"), none of longer ones; chrF2 is their mean.
    assert scores.chrf == pytest.approx(100 * (3 / 4 + 1 / 3) / 4, abs=1e-6)
    assert field.text_scores(["Regen ."], ["regen ."]).bleu1 == pytest.approx(50.0)  # case counts
    assert field.text_scores(["a b c d"], [""]).rouge_l == 0.0
    same = field.text_scores(REFERENCES, REFERENCES)
    assert (same.bleu4, same.rouge_l, same.chrf, same.wer) == (pytest.approx(100), pytest.approx(100), 100.0, 0.0)


@pytest.mark.parametrize(("references", "hypotheses"), [([], []), (["a"], []), ([""], ["a"])])
def test_texts_that_cannot_be_scored(references: list[str], hypotheses: list[str]) -> None:
    with pytest.raises(TranslationError):
        field.text_scores(references, hypotheses)
    if references != [""]:
        with pytest.raises(TranslationError):
            field.rouge_l(references, hypotheses)


def _warped(cost: np.ndarray) -> tuple[float, list[tuple[int, int]]]:
    """Smallest sum over all warpings, and a warping that has it, cell by cell."""
    best = np.full(cost.shape, np.inf)
    came: dict[tuple[int, int], tuple[int, int]] = {}
    for i in range(len(cost)):
        for j in range(len(cost[0])):
            before = [(a, b) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
            came[i, j] = min(before, key=lambda cell: best[cell]) if before else (i, j)
            best[i, j] = cost[i, j] + (best[came[i, j]] if before else 0.0)
    path = [(len(cost) - 1, len(cost[0]) - 1)]
    while path[-1] != (0, 0):
        path.append(came[path[-1]])
    return float(best[-1, -1]), path


def _motions(seed: int, frames: tuple[int, int] = (14, 11), joints: int = 50) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, joints, 3)).cumsum(axis=0) for n in frames]


@pytest.mark.parametrize("seed", range(4))
def test_exact_warping(seed: int) -> None:
    a, b = _motions(seed)
    l1 = np.array([[np.abs(x - y).sum() for y in b] for x in a])
    assert exact_dtw(l1) == pytest.approx(_warped(l1)[0], rel=1e-9)
    mean = np.array([[np.linalg.norm(x - y, axis=-1).mean() for y in b] for x in a])
    total, path = _warped(mean)
    assert mean_joint_error(a, b) == pytest.approx(total / len(path), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_progressive_transformers(seed: int) -> None:
    """The authors' rules: both from the second frame on, cut before the largest counter, L1, by the reference's
    length."""
    lines = []
    for motion in _motions(seed):
        counter = np.arange(len(motion)) / len(motion)
        lines.append(np.concatenate((motion.reshape(len(motion), -1), counter[:, None]), axis=1))
    reference, hypothesis = lines
    hypothesis[6, -1] = 0.99  # a counter that is predicted may be largest early
    a, b = reference[1:-1, :-1], hypothesis[1:6, :-1]
    cost = np.array([[np.abs(x - y).sum() for y in b] for x in a])
    expected = _warped(cost)[0] / len(a)
    assert field.dtw_progressive_transformers(reference, hypothesis) == pytest.approx(expected, abs=1e-6)
    assert field.dtw_progressive_transformers(reference, reference) == 0.0


def test_progressive_transformers_by_hand() -> None:
    reference = np.array([[9.0, 0.0], [1.0, 0.25], [2.0, 0.5], [3.0, 0.75]])
    hypothesis = np.array([[7.0, 0.0], [1.0, 0.3], [4.0, 0.6], [5.0, 0.9]])
    # 1 2 against 1 4: the pairs 1-1 and 2-4, sum 2, by the two frames that are left.
    assert field.dtw_progressive_transformers(reference, hypothesis) == pytest.approx(1.0, abs=1e-6)
    first_is_largest = np.array([[0.0, 0.0], [1.0, 0.9], [2.0, 0.5]])
    assert field.dtw_progressive_transformers(first_is_largest, first_is_largest + np.array((3, 0))) == pytest.approx(
        3.0
    )
    for wrong in (np.zeros((1, 4)), np.zeros((3, 5)), np.full((3, 4), np.nan), np.zeros(3)):
        with pytest.raises(MetricError):
            field.dtw_progressive_transformers(np.zeros((3, 4)), wrong)


def test_slrtp() -> None:
    """Short motions are warped exactly by fastdtw too, so that the whole rule can be written out."""
    fastdtw = pytest.importorskip("fastdtw")
    pairs = [_motions(seed, (2, 2), 178) for seed in range(3)]
    errors = []
    for reference, hypothesis in pairs:
        cost = np.array([[np.sqrt(np.square(x - y).sum()) for y in reference] for x in hypothesis])
        errors += [np.linalg.norm(hypothesis[i] - reference[j], axis=-1) for i, j in _warped(cost)[1]]
    references, hypotheses = zip(*pairs, strict=True)
    assert field.dtw_mje_slrtp(references, hypotheses) == pytest.approx(np.concatenate(errors).mean(), abs=1e-6)

    references, hypotheses = zip(*(_motions(seed, (30, 25)) for seed in range(2)), strict=True)
    errors = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        _, path = fastdtw.fastdtw(
            hypothesis.reshape(25, -1), reference.reshape(30, -1), dist=lambda x, y: np.sqrt(np.square(x - y).sum())
        )
        errors += [np.linalg.norm(hypothesis[i] - reference[j], axis=-1) for i, j in path]
    found = field.dtw_mje_slrtp(references, hypotheses)
    assert found == pytest.approx(np.concatenate(errors).mean(), abs=1e-6)
    assert found >= 0.9 * np.mean([mean_joint_error(a, b) for a, b in zip(references, hypotheses, strict=True)])


@pytest.mark.parametrize(
    ("references", "hypotheses"),
    [
        ([], []),
        ([np.zeros((3, 5, 3))], []),
        ([np.zeros((3, 5, 3))], [np.zeros((3, 4, 3))]),
        ([np.zeros((3, 5, 3))], [np.zeros((0, 5, 3))]),
        ([np.zeros((3, 5, 3))], [np.full((3, 5, 3), np.inf)]),
        ([np.zeros((3, 5, 2))], [np.zeros((3, 5, 2))]),
    ],
)
def test_motions_that_cannot_be_measured(references: list[np.ndarray], hypotheses: list[np.ndarray]) -> None:
    with pytest.raises(MetricError):
        field.dtw_mje_slrtp(references, hypotheses)
    if references and hypotheses:
        with pytest.raises(MetricError):
            mean_joint_error(references[0], hypotheses[0])


def test_ratios_and_baselines() -> None:
    still = np.zeros((5, 79, 3))
    real = still.copy()
    real[:, 9, 0] = (0, 1, 2, 3, 4)  # the left wrist
    real[:, 10, 1] = (0, 2, 0, 2, 0)
    half = real * 0.5
    ratios = field.motion_ratios([real, real], [half])
    assert ratios == field.MotionRatios(pytest.approx(0.5, abs=1e-9), pytest.approx(0.25, abs=1e-9))
    one_side = real.copy()
    one_side[:, 10] = 0
    assert field.motion_ratios([real], [one_side]).travel == pytest.approx(0.5, abs=1e-9)
    with pytest.raises(MetricError, match="stand still"):
        field.motion_ratios([still], [real])
    with pytest.raises(MetricError, match="no motions"):
        field.motion_ratios([real], [])

    rows = field.with_baselines([real], {"ours": [half]}, field.motion_ratios)
    assert list(rows) == ["ground truth", "frozen pose", "ours"]
    assert rows["ground truth"] == field.MotionRatios(1.0, 1.0) and rows["frozen pose"] == field.MotionRatios(0.0, 0.0)
    np.testing.assert_allclose(field.frozen(real)[3, 9], (2, 0, 0))


def test_standing_still_beats_another_sentence_on_the_real_sample() -> None:
    """Why the baselines are there."""
    folder = sample("phoenix14t")
    lines = [np.array(line.split(), float).reshape(-1, 151) for line in (folder / "dev.skels").read_text().splitlines()]
    others = lines[1:] + lines[:1]
    still = [np.concatenate((field.frozen(line[:, :-1]), line[:, -1:]), axis=1) for line in lines]
    mean = {
        name: np.mean([field.dtw_progressive_transformers(*pair) for pair in zip(lines, chosen, strict=True)])
        for name, chosen in (("same", lines), ("still", still), ("other", others))
    }
    assert mean["same"] == 0 and mean["still"] < mean["other"], mean
    assert skels.FRAME == 151
