"""The reader of hand shapes: what it learns from, what it reads, and that fingers that cross are another letter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_finger_relations import flat_hand

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, Example, Kind, Unit
from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.hand_reader import HandReader, HandReaderError, folds, train, with_order
from text2sign_ros.motion.transition import transition

RIGHT, WRIST = skeleton.HAND["right"], skeleton.INDEX["right_wrist"]


def shape(letter: str) -> np.ndarray:
    """(21, 3) a hand that shows roughly that letter."""
    hand = flat_hand()
    if letter in "iru":
        curled = [13, 17] if letter in "ru" else [5, 9, 13]
        for knuckle in curled:
            hand[knuckle + 2], hand[knuckle + 3] = hand[knuckle] + (0.04, 0, 0.02), hand[knuckle] + (0.03, 0, -0.01)
    if letter == "r":
        hand = with_order(hand[None], np.array([-8.0]))[0]
    return hand


def take(letter: str, block: int, frames: int = 20) -> Example:
    rng = np.random.default_rng((ord(letter), block))
    hand = shape("i" if letter == "j" else letter) * rng.normal(1, 0.03) + rng.normal(scale=0.0005, size=(21, 3))
    positions = np.repeat(skeleton.REST_POSE[None].astype(float), frames, axis=0)
    at = np.array((0.3, -0.1, 0.1)) + rng.normal(scale=0.03, size=3)
    for frame, angle in enumerate(np.linspace(0, 1.2 if letter == "j" else 0, frames)):
        cos, sin = np.cos(angle), np.sin(angle)
        positions[frame, RIGHT] = at + hand @ np.array(((cos, -sin, 0), (sin, cos, 0), (0, 0, 1))).T
    positions[:, WRIST] = at
    return Example(
        letter, SignClip(positions, np.ones((frames, 79)), FPS), (Unit(letter, Kind.LETTER),), "",
        f"{letter}/{block}", "train", "here", "MIT",
    )  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> HandReader:
    return train([take(letter, block) for letter in "bijru" for block in range(4)], steps=120, seed=0)


def test_letters_of_other_takes_are_read(reader: HandReader) -> None:
    others = [take(letter, block) for letter in "bijru" for block in range(10, 13)]
    assert reader.letters == tuple("bijru")
    assert reader.read([other.clip.positions for other in others]) == [other.text for other in others]
    assert reader.scores([others[0].clip.positions]).shape == (1, 5)
    assert reader.read([]) == []


def test_r_that_does_not_cross_is_read_as_u(reader: HandReader) -> None:
    real = take("r", 20).clip.positions
    uncrossed = real.copy()
    uncrossed[:, RIGHT] = with_order(real[:, RIGHT], np.full(len(real), 15.0))
    assert reader.read([real, uncrossed]) == ["r", "u"]


def test_the_way_from_rest_is_not_read(reader: HandReader) -> None:
    motion = take("u", 20).clip.positions
    way = transition(skeleton.REST_POSE, motion[0], 12)
    assert reader.read([np.concatenate((skeleton.REST_POSE[None], way, motion[:8])), motion[:8]]) == ["u", "u"]


def test_frames_without_a_hand_are_not_read(reader: HandReader) -> None:
    one, other = take("u", 21).clip, take("b", 21).clip
    motion, seen = np.concatenate((other.positions, one.positions[:5])), np.ones((25, 79))
    assert reader.read([motion], [seen]) == ["b"]
    seen[:20, RIGHT] = 0
    assert reader.read([motion], [seen]) == ["u"]
    with pytest.raises(HandReaderError, match="motion 0 has no frame with an observed, raised right hand"):
        reader.read([motion], [np.zeros((25, 79))])


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (np.zeros((30, 79, 2)), r"motion 1 has shape \(30, 79, 2\); give \(frames, 79, 3\)"),
        (np.zeros((1, 79, 3)), "motion 1 has shape .* at least 2 frames"),
        (np.full((30, 79, 3), np.nan), "motion 1 has numbers that are not finite"),
    ],
)
def test_what_cannot_be_read(reader: HandReader, motion: np.ndarray, words: str) -> None:
    with pytest.raises(Text2SignError, match=words):
        reader.read([take("b", 0).clip.positions, motion])


def test_the_seed_decides_what_is_learnt() -> None:
    takes = [take(letter, 0) for letter in "bi"]
    first, again, other = (train(takes, steps=3, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_words_are_not_learnt_from() -> None:
    word = take("b", 0)
    word = Example("hello", word.clip, (Unit("hello", Kind.SIGN),), "", "w", "train", "here", "MIT")
    assert train([word, take("i", 0)], steps=1).letters == ("i",)
    with pytest.raises(HandReaderError, match="no takes of letters"):
        train([word])


def test_every_take_is_held_out_once_with_its_block() -> None:
    takes = [take(letter, block, frames=2) for letter in "bi" for block in (0, 0, 1, 2, 3)]
    parts = folds(takes, 3)
    assert sorted(id(one) for _, held in parts for one in held) == sorted(map(id, takes))
    for seen, held in parts:
        assert len(seen) + len(held) == len(takes)
        assert not {one.block for one in seen} & {one.block for one in held}
        assert {one.text for one in seen} == {one.text for one in held} == {"b", "i"}


@pytest.mark.slow
def test_real_letters_of_held_out_blocks(corpus) -> None:
    """The letters that are hardest to tell apart, with a third of the training steps."""
    takes = [one for one in corpus if one.text in tuple("akrsuv")]
    model = train([one for one in takes if one.split != "test"], steps=300)
    held = [one for one in takes if one.split == "test"]
    read = model.read([one.clip.positions for one in held], [one.clip.confidence for one in held])
    for letter in "akrsuv":
        assert np.mean([r == letter for r, one in zip(read, held, strict=True) if one.text == letter]) >= 0.9
