"""Words: what the captions of a text say is signed when, word by word, whatever is taken back or said again."""

from __future__ import annotations

import uuid

from text2sign_ros.text.units import NumberedWords
from text2sign_ros.wire.captions import Captions, State, TimedPart
from text2sign_ros.wire.words import Words

FRAME = 40_000_000
TEXT = "Hello, I am Bo. Thank you!"
PARTS = [
    *(("sign", "hello", 0), ("pause", "", None), ("letter", "i", 1), ("letter", "a", 2), ("letter", "m", 2)),
    *(("letter", "b", 3), ("marker", "wh", None), ("letter", "o", 3), ("sign", "thank you", 4), ("rest", "", None)),
]


def captions(start: int, end: int, *, attempt: int = 1, shift: int = 0) -> Captions:
    """With the parts from ``start`` to ``end``, one in each 40 ms."""
    parts = [
        TimedPart(index, kind, text, word, False, index, index + 1, index * FRAME + shift, None)
        for index, (kind, text, word) in list(enumerate(PARTS))[start:end]
    ]
    return Captions(uuid.UUID(int=1), TEXT, 0, False, 25.0, State.EXECUTING, attempt=attempt, parts=parts)


def words() -> Words:
    return Words(NumberedWords(TEXT))


def test_each_word_comes_once_when_it_starts() -> None:
    seen = words()
    assert seen.take(10**18) == [] and seen.next_stamp is None
    seen.update(captions(0, 3))
    assert seen.next_stamp == 0
    assert seen.take(-1) == [] and seen.take(0) == ["hello"] and seen.take(0) == []
    assert seen.take(2 * FRAME - 1) == [] and seen.text == "hello"
    assert seen.take(2 * FRAME) == ["i"]
    seen.update(captions(0, 4))  # of a spelled word only the first letter is known yet
    assert seen.take(3 * FRAME) == ["am"] and seen.text == "hello i a"
    seen.update(captions(0, 10))
    assert seen.take(5 * FRAME) == ["bo"] and seen.text == "hello i am b"
    assert seen.take(10**18) == ["thank you"] and seen.text == "hello i am bo thank you"
    assert seen.next_stamp is None


def test_a_sign_comes_with_the_words_that_it_was_for() -> None:
    seen, latest = words(), captions(0, 1)
    latest.parts[0].said, latest.parts[0].alternative = "hellos", "at sea"
    seen.update(latest)
    assert seen.take(10**18) == ["hellos"] and seen.text == "hellos"


def test_what_the_message_no_longer_has_room_for_is_played_all_the_same() -> None:
    seen = words()
    seen.update(captions(0, 3))
    seen.update(captions(2, 6))
    seen.update(captions(5, 10))
    assert seen.take(10**18) == ["hello", "i", "am", "bo", "thank you"]


def test_old_markers_do_not_hide_what_there_is_no_room_for() -> None:
    seen = words()
    seen.update(captions(0, 6))
    late = captions(6, 7)
    marker = late.parts[0]
    marker.index = 0  # is still open: listed before the latest parts
    signs = [TimedPart(n, "sign", f"s{n}", n, False, n, None, n * FRAME, None) for n in range(6, 70)]
    late.parts = [marker, *signs]
    seen.update(late)
    assert seen.take(10**18) == ["hello", "i", "am", "bo", *(f"s{n}" for n in range(6, 70))]


def test_what_was_taken_back_is_not_played() -> None:
    seen = words()
    seen.update(captions(0, 6))
    assert seen.take(0) == ["hello"]
    seen.update(captions(0, 3))  # a way back to rest replaces the rest
    assert seen.take(10**18) == ["i"] and seen.text == "hello i"
    seen = words()
    seen.update(captions(0, 6))
    seen.update(captions(0, 0))
    assert seen.next_stamp is None and seen.take(10**18) == [] and seen.text == ""


def test_a_text_that_starts_again_is_played_again() -> None:
    seen = words()
    seen.update(captions(0, 6))
    assert seen.take(4 * FRAME) == ["hello", "i", "am"]
    seen.update(captions(0, 0))
    later = 100 * FRAME
    seen.update(captions(0, 2, attempt=2, shift=later))
    assert seen.take(later - 1) == [] and seen.text == ""
    seen.update(captions(0, 10, attempt=2, shift=later))
    assert seen.take(10**18) == ["hello", "i", "am", "bo", "thank you"] and seen.text == "hello i am bo thank you"
