"""Composition: real takes unchanged, joined without a jump, from rest and back, the same for the same seed."""

from __future__ import annotations

import string

import numpy as np
import pytest

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.composition import Composed, Composer, Tempo, expressed, takes_for
from text2sign_ros.motion import kinematics
from text2sign_ros.skeleton import BROWS, HAND, HEAD, INDEX, REST_POSE

LABELS = ("hello", "thank you", "you", "coffee", "i love you", "good job", *string.ascii_lowercase)


def _take(label: str, split: str = "train", seed: int = 0) -> Example:
    """A synthetic take: the right arm up, swaying."""
    rng = np.random.default_rng((seed, *label.encode()))
    directions = kinematics.bone_directions(REST_POSE.astype(float))
    target = kinematics.unit(directions + 0.8 * rng.normal(size=directions.shape))
    sway = 0.1 * np.sin(np.arange(30) / 5)[:, None, None]
    frames = kinematics.unit(target + sway * rng.normal(size=directions.shape))
    positions = kinematics.assemble(frames, np.broadcast_to(REST_POSE.astype(float), (30, 79, 3)))
    confidence = np.ones((30, 79), np.float32)
    confidence[3:6, 60:] = 0.0
    units = (Unit(label, Kind.LETTER if label in tuple(string.ascii_lowercase) else Kind.SIGN),)
    return Example(label, SignClip(positions, confidence, 25.0), units, "", f"{label}/{seed}", split, "here", "MIT")


@pytest.fixture(scope="module")
def takes() -> list[Example]:
    return [_take(label, seed=seed) for label in LABELS for seed in range(3)]


@pytest.fixture(scope="module")
def composer(takes: list[Example]) -> Composer:
    return Composer(takes)


def _compose(composer: Composer, labels: list[str], seed: int = 0) -> Composed:
    return composer.compose(labels, np.random.default_rng(seed))


@pytest.mark.parametrize("labels", [["hello"], ["thank you", "g", "r", "a", "c", "e"], ["j", "z", "coffee"], []])
def test_a_sentence_goes_from_rest_to_rest_with_all_labels_in_order(composer: Composer, labels: list[str]) -> None:
    composed = _compose(composer, labels)
    np.testing.assert_array_equal(composed.clip.positions[[0, -1]], np.stack((REST_POSE, REST_POSE)))
    assert composed.labels == tuple(labels) and len(composed.spans) == len(labels)
    flat = [frame for span in composed.spans for frame in span]
    assert flat == sorted(flat) and all(0 < frame < len(composed.clip) for frame in flat)
    assert all(start < stop for start, stop in composed.spans)


def test_spans_hold_the_frames_of_the_takes(composer: Composer, takes: list[Example]) -> None:
    composed = _compose(composer, ["hello", "thank you", "g", "j"])
    for label, (start, stop) in zip(composed.labels, composed.spans, strict=True):
        positions, confidence = composed.clip.positions[start:stop], composed.clip.confidence[start:stop]
        sources = [take.clip for take in takes if take.text == label]
        found = [
            (clip, at)
            for clip in sources
            for at in range(len(clip) - len(positions) + 1)
            if np.array_equal(clip.positions[at : at + len(positions)], positions)
        ]
        assert len(found) == 1, label
        clip, at = found[0]
        np.testing.assert_array_equal(clip.confidence[at : at + len(positions)], confidence)
        # A letter that does not move is shown briefly, all else whole.
        assert len(positions) == len(clip) if label != "g" else 10 <= len(positions) <= 15


def test_transitions_have_full_confidence(composer: Composer) -> None:
    composed = _compose(composer, ["hello", "coffee"])
    between = np.ones(len(composed.clip), bool)
    for start, stop in composed.spans:
        between[start:stop] = False
    assert (composed.clip.confidence[between] == 1).all() and between.sum() >= 6


def test_the_seed_determines_the_sentence(composer: Composer) -> None:
    labels = ["hello", "g", "o", "thank you"]
    one, same, other = (_compose(composer, labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.clip.positions, same.clip.positions)
    assert one.spans == same.spans
    shapes_differ = one.clip.positions.shape != other.clip.positions.shape
    assert shapes_differ or not np.array_equal(one.clip.positions, other.clip.positions)
    sentences = [composer.sentence(np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert sentences[0] == sentences[1] != sentences[2]


def test_every_take_is_used(composer: Composer) -> None:
    used = {_compose(composer, ["hello"], seed).clip.positions.tobytes() for seed in range(40)}
    assert len(used) == 3


def test_no_step_is_faster_than_a_person_moves(corpus: list[Example]) -> None:
    composer = Composer(take for take in corpus if take.split == "train")
    rng = np.random.default_rng(0)
    for _ in range(40):
        composed = composer.compose(composer.sentence(rng), rng)
        steps = np.linalg.norm(np.diff(composed.clip.positions, axis=0), axis=-1).max(axis=1)
        inside = np.zeros(len(steps), bool)
        for start, stop in composed.spans:
            inside[start : stop - 1] = True
        assert steps[~inside].max() < 0.2, composed.labels  # 5 m/s, of a fingertip; inside are the recordings


def test_every_sentence_drawn_can_be_composed_from_the_corpus(corpus: list[Example]) -> None:
    composer = Composer(take for take in corpus if take.split == "train")
    rng = np.random.default_rng(1)
    drawn = [label for _ in range(400) for label in composer.sentence(rng)]
    assert set(drawn) == set(composer.labels) == set(composer.words) | set(composer.letters)


def test_longest_match_first_and_spelling(composer: Composer) -> None:
    assert composer.split("hello thank you") == ["hello", "thank you"]
    assert composer.split("you thank you") == ["you", "thank you"]
    assert composer.split("i love you") == ["i love you"]
    assert composer.split("my name is grace") == list("mynameisgrace")
    assert composer.split("") == []


def test_splits_are_not_mixed() -> None:
    with pytest.raises(CorpusError, match=r"one split.*test.*train"):
        Composer([_take("a"), _take("b", split="test")])
    with pytest.raises(CorpusError, match="one split"):
        Composer([])


def test_a_label_without_a_take_is_refused(composer: Composer) -> None:
    with pytest.raises(KeyError, match="zebra"):
        _compose(composer, ["zebra"])


def test_a_sentence_keeps_its_signs_at_another_pace_and_holds_the_last(composer: Composer) -> None:
    labels = ["hello", "thank you", "g", "coffee"]
    plain = _compose(composer, labels)
    lengths = set()
    for seed in range(8):
        timed = composer.compose(labels, np.random.default_rng(seed), Tempo())
        assert timed.labels == plain.labels and timed.kinds == plain.kinds
        lengths.add(timed.spans[0][1] - timed.spans[0][0])
        start, stop = timed.spans[-1]
        steps = np.linalg.norm(np.diff(timed.clip.positions[start:stop], axis=0), axis=-1).mean(axis=1)
        assert steps[-1] < 0.3 * steps[:-12].mean(), seed  # it comes to a standstill
        np.testing.assert_array_equal(timed.clip.positions[[0, -1]], np.stack((REST_POSE, REST_POSE)))
        bones = kinematics.bone_lengths(timed.clip.positions[:: max(1, len(timed.clip) // 9)])
        assert np.isfinite(bones).all()
    assert len(lengths) > 3 and max(lengths) < 30 * 1.5 and min(lengths) > 30 / 1.5


def test_without_tempo_variation_only_the_end_differs(composer: Composer) -> None:
    plain = _compose(composer, ["hello", "coffee"])
    # The generator draws the takes first, so they are the same ones.
    held = composer.compose(["hello", "coffee"], np.random.default_rng(0), Tempo(pace=0.0, hold=(4, 4)))
    start, stop = plain.spans[-1]
    np.testing.assert_array_equal(held.clip.positions[: stop - 4], plain.clip.positions[: stop - 4])
    assert held.spans == (plain.spans[0], (start, stop + 4))
    np.testing.assert_allclose(held.clip.positions[stop + 3], plain.clip.positions[stop - 1], atol=1e-6)


def test_signs_without_a_take_of_a_split_have_that_of_training() -> None:
    takes = [_take("hello"), _take("hello", "val", 1), _take("coffee"), _take("coffee", seed=1), _take("you", "test")]
    found = takes_for(takes, "val")
    assert [take.text for take in found] == ["hello", "coffee", "coffee"] and {take.split for take in found} == {"val"}
    assert found[0].clip is takes[1].clip
    assert [take.text for take in takes_for(takes, "train")] == ["hello", "coffee", "coffee"]
    assert Composer(found).words == ("coffee", "hello")


def test_head_and_brows_move_with_the_markers_and_hands_do_not(composer: Composer) -> None:
    plain = _compose(composer, ["hello", "coffee", "you"])
    shown = expressed(plain, [(frozenset(), 1), (frozenset({"question"}), 2)])
    moved = np.linalg.norm(shown.clip.positions - plain.clip.positions, axis=-1)
    assert not moved[: plain.spans[0][1]].any()
    middle = sum(plain.spans[2]) // 2
    assert (moved[middle, BROWS] > 0.005).all() and (moved[middle, HEAD] > 0).all()
    assert not moved[:, [*range(HAND["left"].start, HAND["right"].stop), INDEX["left_wrist"]]].any()
    np.testing.assert_array_equal(shown.clip.positions[-1], REST_POSE)
    assert shown.spans == plain.spans and shown.labels == plain.labels
