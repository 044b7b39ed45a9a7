"""Planning: the signs a text becomes and the segments it is cut into."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros.text import Boundary, Plan, TextError, Vocabulary, VocabularyError, plan

SIGNS = (
    *("hello", "can", "i", "get", "small", "medium", "large", "coffee", "tea", "water", "muffin", "please"),
    *("thank you", "no", "bye", "father", "good job", "happy", "how much", "hungry", "i love you", "sad", "you"),
)
VOCABULARY = Vocabulary(SIGNS, tuple("abcdefghijklmnopqrstuvwxyz"))


def make(text: str, vocabulary: Vocabulary = VOCABULARY, *, units: int = 12, frames: int = 256) -> Plan:
    return plan(
        text,
        vocabulary,
        max_characters=5000,
        max_units=units,
        max_frames=frames,
        frames_per_sign=25,
        frames_per_letter=10,
    )


def segments(text: str, **limits: int) -> list[str]:
    return [segment.text for segment in make(text, **limits).segments]


def units(text: str) -> list[str]:
    return [unit.text for segment in make(text).segments for unit in segment.units]


def test_words_and_phrases_of_the_vocabulary():
    text = "hello can i get a large coffee please thank you"
    assert units(text) == ["hello", "can", "i", "get", "a", "large", "coffee", "please", "thank you"]
    assert units("Thank-you!") == ["thank you"]
    assert units("I love you, father.") == ["i love you", "father"]
    assert units("how much") == ["how much"]


def test_unknown_words_are_spelled_and_kept_apart():
    result = make("my name is Grace")
    spelled = [unit for segment in result.segments for unit in segment.units]
    by_word = ["".join(unit.text for unit in spelled if unit.word == word) for word in range(4)]
    assert by_word == ["my", "name", "is", "grace"]
    assert all(unit.spelled for unit in spelled)
    assert [unit.boundary for unit in spelled[:3]] == [Boundary.NONE, Boundary.WORD, Boundary.NONE]
    assert spelled[-1].boundary == Boundary.SENTENCE
    assert result.warnings == ()


def test_a_phrase_never_crosses_a_clause():
    assert units("thank, you") == [*"thank", "you"]
    assert units("good. job") == [*"good", *"job"]


def test_a_sentence_always_ends_a_segment():
    assert segments("Hello. Coffee please! Bye") == ["hello", "coffee please", "bye"]


def test_cuts_prefer_clauses_then_words():
    assert segments("hello, can i get tea", units=4) == ["hello", "can i get tea"]
    assert segments("can i get large coffee", units=4) == ["can i get large", "coffee"]
    assert segments("my name is Grace") == ["m y n a m e i s", "g r a c e"]
    assert segments("large large large", frames=50) == ["large large", "large"]


def test_only_a_word_beyond_the_limits_is_cut_inside():
    assert segments("hi abcdefghijk no", units=4) == ["h i", "a b c d", "e f g h", "i j k no"]


def test_letters_the_vocabulary_lacks_are_left_out_with_one_warning():
    vocabulary = Vocabulary(("hello",), tuple("abc"))
    result = make("hello cab, zz cabs. z", vocabulary)
    assert [segment.text for segment in result.segments] == ["hello c a b c a b"]
    assert len(result.warnings) == 1 and "s (1x), z (3x)" in result.warnings[0]
    with pytest.raises(TextError, match=r"z \(2x\)"):
        make("zz", vocabulary)


def test_what_normalising_left_out_is_passed_on():
    assert "emoji" in make("hello 😀").warnings[0]


@pytest.mark.parametrize("signs", [("Hello",), ("thank  you",), ("",), ("tea", "tea")])
def test_a_vocabulary_that_cannot_match_is_refused(signs):
    with pytest.raises(VocabularyError):
        Vocabulary(signs, ("a",))


def test_limits_that_hold_no_sign_are_refused():
    with pytest.raises(ValueError, match="max_frames"):
        make("hello", frames=20)


@given(
    st.lists(st.sampled_from([*SIGNS, "grace", "x", "supercalifragilistic", ",", ".", "😀"]), min_size=1),
    st.integers(1, 15),
    st.integers(25, 200),
)
@settings(deadline=None)
def test_every_plan_keeps_order_and_limits(parts, max_units, max_frames):
    text = " ".join(["hello", *parts])
    whole = [unit for segment in make(text, units=10**6, frames=10**9).segments for unit in segment.units]
    cut = make(text, units=max_units, frames=max_frames).segments
    assert [unit for segment in cut for unit in segment.units] == whole
    for segment in cut:
        assert 1 <= len(segment.units) <= max_units
        assert sum(10 if unit.spelled else 25 for unit in segment.units) <= max_frames
        assert all(unit.boundary < Boundary.SENTENCE for unit in segment.units[:-1])
        if segment.units[-1].boundary == Boundary.NONE:  # cut inside a word: nothing but that word is in here
            assert len({unit.word for unit in segment.units}) == 1
