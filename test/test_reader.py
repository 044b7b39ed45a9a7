"""The reader of sentences: learns to read sentences of units it knows in orders it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rapidfuzz.distance import Levenshtein

from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.reader import Reader, ReaderError, train
from text2sign_ros.skeleton import GROUPS, INDEX, REST_POSE
from text2sign_ros.training.sentences import Sentences

UNITS = ("thank you", "a", "l")
DOUBLED = [["l", "l"], ["a", "l", "l"], ["a", "a"], ["thank you", "thank you"]]
RIGHT_ARM = [INDEX["right_elbow"], INDEX["right_wrist"], *range(*GROUPS["right_hand"].indices(79))]


def _take(unit: str, rng: np.random.Generator) -> np.ndarray:
    """(T, 79, 3): the right arm up; the sign waves, letters are hand shapes held still."""
    frames = int(rng.integers(20, 30) if len(unit) > 1 else rng.integers(10, 16))
    take = np.tile(REST_POSE, (frames, 1, 1))
    shape = np.random.default_rng(UNITS.index(unit)).normal(scale=0.03, size=(21, 3))
    take[:, GROUPS["right_hand"]] += shape - shape[0]
    take[:, RIGHT_ARM] += (0.2, 0.0, 0.4)
    wave = 0.12 * np.sin(np.linspace(0, 4 * np.pi, frames))[:, None]
    if len(unit) > 1:
        take[:, RIGHT_ARM, 1] += wave
    return take + rng.normal(scale=0.003, size=take.shape).cumsum(axis=0) / np.sqrt(frames)


def _sentence(units: list[str], rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """(T, 79, 3) from rest to rest, the hand lowered between units; and the frames of each unit."""
    parts, spans, at = [np.tile(REST_POSE, (8, 1, 1))], [], 8
    for unit in units:
        take = _take(unit, rng)
        part = np.linspace(0, 1, 8)[1:-1, None, None]
        join = parts[-1][-1] * (1 - part) + take[0] * part
        join[:, RIGHT_ARM, 2] -= 0.15 * np.sin(np.pi * part[..., 0])
        parts += [join, take]
        spans.append((at, at + len(join) + len(take)))
        at = spans[-1][1]
    return np.concatenate((*parts, np.tile(REST_POSE, (12, 1, 1)))).astype(np.float32), spans


def _random(count: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(UNITS, rng.integers(1, 4)).tolist() for _ in range(count)]


def _sentences(texts: list[list[str]], seed: int) -> Sentences:
    rng = np.random.default_rng(seed)
    motions, which, starts, stops, at = [], [], [], [], [0]
    for number, units in enumerate(texts):
        motion, spans = _sentence(units, rng)
        motions.append(motion)
        starts += [at[-1] + start for start, _ in spans]
        stops += [at[-1] + stop for _, stop in spans]
        which += [number] * len(units)
        at.append(at[-1] + len(motion))
    positions = np.concatenate(motions).astype(np.float16)
    seen = np.ones(positions.shape[:2], np.float16)
    labels = np.array([unit for units in texts for unit in units])
    kinds, chance = np.where(np.isin(labels, UNITS[:1]), "sign", "letter"), np.full(len(texts), 1 / len(texts))
    return Sentences(positions, seen, *map(np.array, (at, which, starts, stops)), labels, kinds, chance)


@pytest.fixture(scope="module")
def reader() -> Reader:
    torch.set_num_threads(1)
    return train(_sentences(_random(64, seed=0) + 8 * DOUBLED, seed=0), steps=220, seed=0, batch=8)


@pytest.mark.slow
def test_it_reads_sentences_it_has_not_seen(reader: Reader) -> None:
    rng = np.random.default_rng(9)
    texts = _random(30, seed=9)
    read = reader.read([_sentence(units, rng)[0] for units in texts])
    edits = sum(Levenshtein.distance(a, b) for a, b in zip(texts, read, strict=True))
    assert edits <= 0.1 * sum(map(len, texts)), list(zip(texts, read, strict=True))


@pytest.mark.slow
def test_it_reads_doubled_letters_and_signs(reader: Reader) -> None:
    rng = np.random.default_rng(10)
    texts = 3 * DOUBLED
    read = reader.read([_sentence(units, rng)[0] for units in texts])
    assert sum(a == b for a, b in zip(texts, read, strict=True)) >= 10, read


@pytest.mark.slow
def test_rest_says_nothing(reader: Reader) -> None:
    assert reader.read([np.tile(REST_POSE, (40, 1, 1))]) == [[]]


@pytest.mark.slow
def test_reading_does_not_depend_on_what_is_read_beside_it(reader: Reader) -> None:
    rng = np.random.default_rng(11)
    motions = [_sentence(units, rng)[0] for units in _random(6, seed=11)]
    motions.append(motions[0][:-1])  # an odd length where another is even
    assert reader.read(motions) == [reader.read([motion])[0] for motion in motions]
    alone = np.concatenate([reader.embed([motion]) for motion in motions])
    np.testing.assert_allclose(reader.embed(motions), alone, atol=1e-4)


@pytest.mark.slow
def test_embeddings_are_of_the_width_and_tell_motions_apart(reader: Reader) -> None:
    rng = np.random.default_rng(12)
    same = reader.embed([_sentence(["thank you"], rng)[0] for _ in range(4)])
    other = reader.embed([_sentence(["a", "l"], rng)[0] for _ in range(4)])
    assert same.shape == (4, reader.width) and same.dtype == np.float32
    within = np.linalg.norm(same - same.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(same.mean(axis=0) - other.mean(axis=0)) > 2 * within


@pytest.mark.slow
def test_nothing_gives_nothing(reader: Reader) -> None:
    assert reader.read([]) == []
    assert reader.embed([]).shape == (0, reader.width)


@pytest.mark.slow
def test_more_than_are_read_at_once(reader: Reader) -> None:
    motion = _sentence(["a"], np.random.default_rng(13))[0]
    assert len(reader.read([motion] * 40)) == len(reader.embed([motion] * 40)) == 40


def test_the_seed_decides() -> None:
    sentences = _sentences(_random(8, seed=3), seed=3)
    first, again, other = (train(sentences, steps=2, seed=seed, batch=4) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (np.zeros((30, 79, 2)), r"motion 1 has shape \(30, 79, 2\); give \(frames, 79, 3\)"),
        (np.zeros((79, 3)), "motion 1 has shape"),
        (np.zeros((1, 79, 3)), "motion 1 has 1 frames; give at least 2"),
        (np.full((30, 79, 3), np.nan), "motion 1 has numbers that are not finite"),
    ],
)
def test_what_cannot_be_read(motion: np.ndarray, words: str) -> None:
    model = Reader(UNITS, width=8)
    for use in (model.read, model.embed):
        with pytest.raises(Text2SignError, match=words):
            use([np.zeros((30, 79, 3)), motion])


def test_signs_too_fast_to_be_told_apart() -> None:
    sentences = _sentences([["a", "l"]], seed=4)
    stops = sentences.unit_starts[0] + np.array([7, 14])
    fast = Sentences(**{**vars(sentences), "unit_stops": stops})
    with pytest.raises(ReaderError, match="sentence 0 signs 2 units in 14 frames"):
        train(fast, steps=1, seed=0)
