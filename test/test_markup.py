"""Markup: the effect of tags and punctuation, faulty tags signed as text, and memory."""

from __future__ import annotations

import re
import sys

import pytest
from conftest import peak_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros.motion.nonmanual import EXPRESSIONS
from text2sign_ros.text import (
    Boundary,
    Omissions,
    Plan,
    Segment,
    TextError,
    UnitSegmenter,
    Vocabulary,
    normalise,
    plan,
)
from text2sign_ros.text.markup import LONGEST_PAUSE, LONGEST_TAG, LOOKAHEAD, TAG

SIGNS = ("hello", "can", "i", "get", "large", "coffee", "tea", "thank you", "no", "how much", "you", "happy")
VOCABULARY = Vocabulary(SIGNS, tuple("abcdefghijklmnopqrstuvwxyz"))
NORMALISE = sys.modules["text2sign_ros.text.normalise"]  # the package's attribute of that name is the function


def make(text: str, **limits: int) -> Plan:
    options = {"max_units": 12, "max_frames": 256, "frames_per_sign": 25, "frames_per_letter": 10}
    return plan(text, UnitSegmenter(VOCABULARY, **{**options, **limits}), max_characters=10**6)


def segments(text: str) -> list[Segment]:
    return list(make(text).segments)


def words(text: str) -> str:
    return " ".join(word.text for word in normalise(text, Omissions()))


def markers(text: str) -> list[set[str]]:
    """Of each sentence."""
    found: list[set[str]] = [set()]
    for segment in segments(text):
        found[-1] |= segment.manner.markers
        if segment.units[-1].boundary == Boundary.SENTENCE:
            found.append(set())
    return found[:-1]


def test_a_statement_has_no_manner_of_its_own() -> None:
    (segment,) = segments("hello can i get large coffee.")
    assert (segment.manner.pace, segment.manner.spell, segment.manner.markers) == (1.0, False, frozenset())
    assert all(unit.pause == 0 for unit in segment.units)


def test_speed_and_emphasis_apply_between_their_tags() -> None:
    found = [(s.text, s.manner.pace) for s in segments("hello [slow]can i[/slow] get [FAST]large[/fast] coffee")]
    assert found == [("hello", 1.0), ("can i", 0.7), ("get", 1.0), ("large", 1.4), ("coffee", 1.0)]
    plain, stressed = segments("get [emphasis]large[/emphasis]")
    assert plain.manner.pace == 1 and 0.7 < stressed.manner.pace < 1
    assert stressed.manner.markers == {"emphasis"}


def test_the_speed_opened_last_applies() -> None:
    text = "[slow]hello [fast]can[/fast] i[/slow] get"
    assert [s.manner.pace for s in segments(text)] == [0.7, 1.4, 0.7, 1.0]


def test_tags_need_not_be_nested() -> None:
    found = segments("[slow]hello [emphasis]can[/slow] get[/emphasis] tea")
    assert [round(s.manner.pace, 2) for s in found] == [0.7, 0.56, 0.8, 1.0]


def test_a_pause_holds_the_sign_before_it() -> None:
    found = segments("hello [pause] can [pause 1.5] i [pause 6][pause 7] get[pause 0.25].")
    assert [(s.text, s.units[-1].pause) for s in found] == [("hello", 0.5), ("can", 1.5), ("i", 10.0), ("get", 0.25)]
    assert found[0].units[-1].boundary == Boundary.CLAUSE
    assert [s.text for s in segments("thank [pause] you")] == ["t h a n k", "you"]
    spelled = segments("bob [pause] tea")[0]
    assert [unit.pause for unit in spelled.units] == [0, 0, 0.5]


def test_spell_applies_even_to_words_with_a_sign() -> None:
    spelled, signed = segments("[spell]Thank you[/spell] thank you")
    assert spelled.text == "t h a n k y o u" and all(unit.spelled for unit in spelled.units)
    assert signed.text == "thank you"


def test_a_phrase_never_crosses_a_tag() -> None:
    assert [s.text for s in segments("thank [slow]you[/slow]")] == ["t h a n k", "you"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you get coffee?", [{"question"}]),
        ("hello. you get coffee? thank you.", [set(), {"question"}, set()]),
        ("how much coffee?", [{"wh"}]),
        ("What’s large?! hello", [{"wh"}, set()]),
        ("how much coffee.", [set()]),
        ("no coffee", [{"negation"}]),
        ("I don’t get tea, thank you! Hello", [{"negation"}, set()]),
        ("I CAN'T get tea", [{"negation"}]),
        ("nothing. i want tea", [{"negation"}, set()]),
        ("Don't you get coffee?", [{"negation", "question"}]),
        ("Why no coffee?", [{"negation", "wh"}]),
        ("[spell]no[/spell] tea", [set()]),
        ("hello？", [{"question"}]),
        ("[question]you get coffee[/question].", [{"question"}]),
        ("[affirmation]you get coffee[/affirmation]?", [{"affirmation"}]),
        ("[negation]tea[/negation] coffee?", [{"negation"}]),
        ("[plain]no, thank you?[/plain] no", [{"plain"}, {"negation"}]),
        ("[emphasis]large[/emphasis] coffee?", [{"emphasis", "question"}]),
    ],
)
def test_markers_of_sentences(text: str, expected: list[set[str]]) -> None:
    assert markers(text) == expected
    assert set().union(*expected) <= EXPRESSIONS.keys()


def test_tags_mark_words_and_punctuation_marks_sentences() -> None:
    assert [(s.text, set(s.manner.markers)) for s in segments("hello [negation]tea[/negation] coffee")] == [
        ("hello", set()),
        ("tea", {"negation"}),
        ("coffee", set()),
    ]
    assert len(segments("hello can i get coffee?")) == 1


def test_the_end_of_a_sentence_is_found_within_the_lookahead_only() -> None:
    short = "get " * (LOOKAHEAD // 4)
    assert all(s.manner.markers == {"question"} for s in segments(short.strip() + "?"))
    found = segments(short + "get? you get?")
    assert not any(s.manner.markers for s in found[:-1]) and found[-1].manner.markers == {"question"}


@pytest.mark.parametrize(
    ("text", "read", "warned"),
    [
        (
            "hello [sic] tea",
            "hello sic tea",
            r"1 unknown tag signed as text \(\[sic\]\): the tags are pause, alt, slow",
        ),
        ("[smile][grin] a [/smile]", "smile grin a smile", r"3 unknown tags .*\[smile\], \[grin\], \[/smile\]"),
        ("hello [pause 99]", "hello pause ninety nine", r"1 malformed tag .*\[pause 99\].*10 seconds"),
        ("hello [pause 0] [/pause]", "hello pause zero pause", r"2 malformed tags"),
        ("[slow 2]hello", "slow two hello", r"malformed"),
        ("[slow hello", "slow hello", r"malformed tag signed as text \(\[slow\)"),
        ("hello[/slow]", "hello slow", r"\[/slow\]\): closed without being open"),
        ("[slow]a[slow]b[/slow]", "a slow b", r"opened again"),
        ("[slow]hello", "hello", r"1 tag never closed \(\[slow\]\): held to the end"),
        ("[pause 2]hello", "hello", r"1 pause without effect \(\[pause 2\]\)"),
        ("[alt]hello", "alt hello", r"1 malformed tag .*\[alt\].*\[alt 2\] before a word"),
        ("[/alt] [alt -1]hello", "alt alt minus one hello", r"2 malformed tags"),
        ("[alt 2", "alt two", r"1 malformed tag .*\(\[alt\)"),
    ],
)
def test_faulty_tags_are_signed_as_text_with_one_warning_per_kind(text: str, read: str, warned: str) -> None:
    assert words(text) == read
    (warning,) = make(text).warnings
    assert re.search(warned, warning)


@pytest.mark.parametrize(
    "text", ["[1] hello", "[see the next page]", "a[] b", "[", "]hello[", "{slow}", "<slow>", "[x y z]"]
)
def test_other_brackets_are_only_brackets(text: str) -> None:
    omissions = Omissions()
    assert all(w.manner.pace == 1 for w in normalise(text, omissions)) and omissions.warnings == ()


def test_an_unknown_tag_separates_phrases_as_brackets_do() -> None:
    first, *_ = normalise("thank [you] a", Omissions())
    assert first.boundary == Boundary.CLAUSE


def test_tags_alone_are_no_text() -> None:
    with pytest.raises(TextError, match="only punctuation or tags"):
        make("[slow][/slow]")


PARTS = st.sampled_from(
    [
        *(
            "hello",
            "thank you",
            "no",
            "how much",
            "grace",
            "12",
            "don't",
            " ",
            " ",
            ". ",
            "? ",
            ", ",
            "😀",
            "[",
            "]",
            "[/",
        ),
        *("[slow]", "[/slow]", "[fast]", "[/fast]", "[emphasis]", "[/emphasis]", "[spell]", "[/spell]", "[sic]"),
        *(
            "[question]",
            "[/question]",
            "[plain]",
            "[/affirmation]",
            "[pause]",
            "[pause 0.5]",
            "[pause 12.345]",
            "[sic]",
            "slow",
        ),
    ]
)


@given(st.lists(PARTS, max_size=40).map("".join), st.integers(1, 9))
@settings(deadline=None)
def test_the_result_does_not_depend_on_the_piece_size(text: str, piece: int) -> None:
    def planned() -> tuple | str:
        try:
            result = make(text)
        except TextError as error:
            return str(error)
        return tuple(result.segments), result.warnings

    whole = planned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NORMALISE, "PIECE", piece)
        assert planned() == whole


@given(st.lists(PARTS, max_size=40).map("".join))
@settings(deadline=None)
def test_every_segment_is_in_one_manner_and_only_its_last_sign_is_held(text: str) -> None:
    for segment in segments("hello " + text):
        assert len({unit.manner for unit in segment.units}) == 1
        assert not any(unit.pause for unit in segment.units[:-1])
        assert 0 <= segment.units[-1].pause <= LONGEST_PAUSE


def test_no_tag_is_longer_than_what_is_read_ahead() -> None:
    tags = [f"[/{'a' * 16} {'1' * 8}]", "[/affirmation]", "[pause 10.000]"]
    assert all(re.fullmatch(TAG, tag) and len(tag) <= LONGEST_TAG for tag in tags)
    assert not re.match(TAG, f"[{'a' * 17}]") and not re.match(TAG, f"[a {'1' * 9}]")


def test_slow_signs_fill_a_segment_sooner() -> None:
    fast, slow = (list(make(text, max_frames=60).segments) for text in ("can get tea", "[slow]can get tea[/slow]"))
    assert [len(s.units) for s in fast] == [2, 1] and [len(s.units) for s in slow] == [1, 1, 1]


TAGS = ("[slow]a[/slow]", "[", "[slow", "[slow]", "[pause 1]", "[q", "a [wh]no[/wh]? ", "]?")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("pattern", TAGS)
def test_a_very_long_text_of_tags_is_planned_in_little_memory(pattern: str) -> None:
    def peak(length: int) -> int:
        return peak_memory(make("tea" + (pattern * length)[:length], max_units=1).segments)

    peak(10)  # the caches
    assert peak(32_000) < peak(8_000) + 50_000
