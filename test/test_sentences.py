"""Sentences as segments: as written, cut at the best pauses, whatever they contain."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import peak_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros.text import Boundary, Plan, Segment, SentenceEncoder, SentenceSegmenter, TextError, plan
from text2sign_ros.text.segments import SHORT_TEXT
from text2sign_ros.text.sentences import LONGEST_WORD

NORMALISE = sys.modules["text2sign_ros.text.normalise"]  # the package's attribute of that name is the function
ROOT = Path(__file__).parents[1]


class Latin:
    """A tokenizer with a token for each word and mark, which reads what ISO 8859-1 has, and some Greek."""

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))

    def reads(self, char: str) -> bool:
        return char <= "ÿ" or "α" <= char <= "ω" or char == "—"


def make(text: str, *, frames: int = 200, tokens: int = 64, per_character: float = 2.0, longest: int = 10**6) -> Plan:
    return plan(text, SentenceSegmenter(Latin(), tokens, frames, per_character), max_characters=longest)


def segments(text: str, **limits: float) -> list[str]:
    return [segment.text for segment in make(text, **limits).segments]


def markers(text: str) -> list[set[str]]:
    return [set(segment.manner.markers) for segment in make(text).segments]


def test_a_sentence_is_one_segment_as_it_is_written() -> None:
    text = "Hi there, could I have a big coffee?"
    (segment,) = make(text).segments
    (unit,) = segment.units
    assert (segment.text, unit.kind, unit.spelled, unit.boundary) == (text, "clause", False, Boundary.SENTENCE)
    assert make(text).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "It's 5 p.m., and $3.50 isn't 10% of 1,000 teas",  # nothing is read out
        "Zoë's café — the 'best' one (by far); see https://example.org/a?b=c!",
        "ελα, κορη",
        "a & b",
    ],
)
def test_case_punctuation_numbers_and_accents_stay(text: str) -> None:
    assert " ".join(segments(text)) == text
    assert make(text).warnings == ()


def test_white_space_is_one_space_and_a_line_ends_a_sentence() -> None:
    assert segments(" Hello \t there\u00a0you\n\nYes \r\n no ") == ["Hello there you", "Yes", "no"]
    assert [s.units[-1].boundary for s in make("Hello\nyes").segments] == [Boundary.SENTENCE] * 2


def test_sentences_are_separate_and_cut_into_clauses_only_if_necessary() -> None:
    text = "Well, I came. Then, later, she left! Why?"
    assert segments(text) == ["Well, I came.", "Then, later, she left!", "Why?"]
    assert segments("one two three, four five six", frames=40) == ["one two three,", "four five six"]
    assert segments("one two three four five six", frames=40) == ["one two three four", "five six"]
    assert segments("one (two three) four five six", frames=40) == ["one (two three)", "four five six"]
    assert segments("one, two three four, five", tokens=4) == ["one,", "two three four,", "five"]


def test_punctuation_that_stands_alone_belongs_to_the_word_before_it() -> None:
    assert segments('... Well - " yes " , no !') == ['Well - " yes " , no !']
    assert segments("- yes - no -") == ["yes - no -"]
    (segment,) = make("yes" + " -" * 1000).segments
    assert segment.text.startswith("yes - -") and len(segment.text) <= LONGEST_WORD


def test_a_long_word_is_split_and_each_part_fits() -> None:
    for text in ("x" * 1000, "a-" * 500, "你" * 500):
        tokenizer = Latin()
        tokenizer.reads = lambda char: True  # type: ignore[method-assign]
        found = list(plan(text, SentenceSegmenter(tokenizer, 8, 100, 1.0), max_characters=10**6).segments)
        assert "".join(segment.text for segment in found).replace(" ", "") == text
        assert all(tokenizer.count(segment.text) <= 8 for segment in found)
        assert all(segment.units[0].boundary == Boundary.NONE for segment in found[:-1])


def test_scripts_without_spaces_end_a_sentence_by_their_own_marks() -> None:
    tokenizer = Latin()
    tokenizer.reads = lambda char: True  # type: ignore[method-assign]
    found = plan("你好。我要咖啡！谢谢", SentenceSegmenter(tokenizer, 64, 100, 1.0), max_characters=100)
    assert [segment.text for segment in found.segments] == ["你好。", "我要咖啡！", "谢谢"]


def test_what_the_encoder_cannot_read_is_left_out_with_a_warning() -> None:
    found = make("Hello 😀👨‍👩‍👧 wor\x00ld ☕️, 你好 bye\u202e!")
    assert [segment.text for segment in found.segments] == ["Hello world , bye!"]
    emoji, script = (line for line in found.warnings if "control" not in line)
    assert "left out 5 emoji or symbols" in emoji and "there is no sign for them" in emoji
    assert "left out 2 letters of other scripts (你, 好): the model's text encoder cannot read them" in script
    assert any("left out 2 control or invisible characters (U+0000, U+202E)" in line for line in found.warnings)


def test_characters_unknown_to_the_encoder_are_replaced_by_their_plain_form() -> None:
    assert segments("Ｃｏｆｆｅｅ， ﬁne… “yes”") == ["coffee, fine...", "yes"]


def test_signs_of_the_bundle_s_encoder(bundle: Path) -> None:
    encoder = SentenceEncoder(bundle, max_tokens=64)
    assert all(map(encoder.reads, "aZ5é.,?€“’ñжα"))
    assert not any(map(encoder.reads, ("😀", "你", "\U00013000", "\u0301", " ", "")))
    assert encoder.count("Hello, coffee!") == 4 and encoder.count("") == 0
    segmenter = SentenceSegmenter(encoder, 64, 10**6, 0.01)
    words = "supercalifragilistic " * 30
    for segment in plan(words, segmenter, max_characters=10**6).segments:
        assert int(encoder.encode([segment.text]).mask.sum()) <= 64


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "the text is empty"),
        (" \n ", "holds only spaces"),
        ("?! ... -- [slow] [/slow]", "holds only punctuation or tags"),
        ("😀 你", "left out 1 emoji or symbol"),
        (7, "must be a str, not int"),
        ("x" * 11, "has 11 characters, more than the 10 allowed"),
    ],
)
def test_unsignable_texts_are_refused(text: str, cause: str) -> None:
    with pytest.raises(TextError, match=re.escape(cause)):
        make(text, longest=10 if text == "x" * 11 else 100)


def test_tags_apply_to_the_words_between_them_and_separate_clauses() -> None:
    found = list(make("Hello, [slow]my name[/slow] is [FAST]Grace[/fast], yes").segments)
    assert [(s.text, s.manner.pace) for s in found] == [
        ("Hello,", 1.0),
        ("my name", 0.7),
        ("is", 1.0),
        ("Grace,", 1.4),
        ("yes", 1.0),
    ]
    assert make("Hello [slow]my[/slow]").warnings == ()


def test_a_slow_word_counts_for_the_time_that_it_takes() -> None:
    text = "one two three four"
    assert len(segments(text, frames=40)) == 1
    assert len(segments(f"[slow]{text}[/slow]", frames=40)) == 2


def test_a_pause_holds_the_clause_before_it() -> None:
    found = list(make("[pause] Hello[pause 1.5] there. [pause 0.5] [pause]Bye").segments)
    assert [(s.text, s.units[-1].pause) for s in found] == [("Hello", 1.5), ("there.", 1.0), ("Bye", 0.0)]
    assert make("[pause] Hello").warnings == ("1 pause without effect ([pause]): there is no word before it to hold",)


def test_spell_has_no_meaning_and_a_warning_says_so() -> None:
    text = "My name is [spell]Grace[/spell], not [spell]Ann"
    (segment,) = make(text).segments
    assert segment.text == "My name is Grace, not Ann" and not segment.manner.spell
    assert make(text).warnings == (
        "1 tag never closed ([spell]): held to the end of the text",
        "2 tags without effect ([spell]): this model signs whole sentences: it has no letters to spell with, and no "
        "alternatives to choose from",
    )


def test_faulty_tags_stay_text_with_a_warning() -> None:
    found = make("Hello [see the next page] [smile] [slow 2] [slow")
    assert " ".join(s.text for s in found.segments) == "Hello [see the next page] [smile] [slow 2] [slow"
    assert "1 unknown tag signed as text ([smile])" in found.warnings[0]
    assert "2 malformed tags signed as text ([slow 2], [slow)" in found.warnings[1]


def test_the_same_words_determine_markers_as_with_units() -> None:
    assert markers("You get coffee. You get coffee? What is that? Don’t go.") == [
        set(),
        {"question"},
        {"wh"},
        {"negation"},
    ]
    assert markers("[plain]No problem.[/plain] Isn't it?") == [{"plain"}, {"question", "negation"}]
    assert markers("WHERE?! never/ever. You (again?)") == [{"wh"}, {"negation"}, {"question"}]
    assert set().union(*markers("no " + "coffee " * 200)) == set()  # too long a sentence to see its end


FRAGMENTS = st.sampled_from(
    [
        *("Hello", "thank you", "don't", "é", "a" * 90, "12", "1,000.5", "$", "&", "[slow]", "[/slow]", "[pause 1]"),
        *("[spell]", "[", "[smile]", "[slow", " ", " ", " ", ", ", ". ", "! ", "?", "\n", "-", " - ", "'", "(", ")"),
        *("😀", "你", "α", "\u0301", "\x00", "。", "，", "Ａ", "…", "“"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=40).map("".join), st.integers(1, 9))
@settings(deadline=None)
def test_a_text_planned_piece_by_piece_is_the_text_planned_whole(text: str, piece: int) -> None:
    def planned() -> tuple[tuple[Segment, ...], tuple[str, ...]] | str:
        try:
            made = make(text, frames=60, tokens=6)
        except TextError as error:
            return str(error)
        return tuple(made.segments), made.warnings

    whole = planned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NORMALISE, "PIECE", piece)
        assert planned() == whole


@given(st.lists(FRAGMENTS, max_size=40).map("".join), st.integers(20, 300), st.integers(1, 64))
@settings(deadline=None)
def test_segments_keep_to_the_limits_and_to_what_is_written(text: str, frames: int, tokens: int) -> None:
    try:
        found = list(make(text, frames=frames, tokens=tokens).segments)
    except TextError:
        return
    written = [char.casefold() for char in text if char.isalnum() and Latin().reads(char)]
    said = iter("".join(segment.text for segment in found).casefold())
    missing = [char for char in written if char not in said]
    assert not missing or "[" in text  # tags are taken out
    for segment in found:
        assert segment.text and not segment.text.startswith(" ") and not segment.text.endswith(" ")
        assert Latin().count(segment.text) <= tokens
        assert any(char.isalnum() or char in "&$" for char in segment.text)
        words = [word for word in segment.text.split() if any(char.isalnum() or char in "&$" for char in word)]
        assert len(words) == 1 or 2.0 * len(segment.text) / segment.manner.pace <= frames
    assert found[-1].units[-1].boundary == Boundary.SENTENCE


def test_warnings_are_complete_immediately_for_a_short_text_and_after_the_first_pass_for_a_long_one() -> None:
    assert "emoji" in make("Hello 😀").warnings[0]
    long = make("Hello there. " * SHORT_TEXT + "😀")
    assert long.warnings == ()
    assert len(list(long.segments)) == SHORT_TEXT and "emoji" in long.warnings[0]


@pytest.mark.timeout(120)  # quadratic time would be hours
@pytest.mark.parametrize(
    "pattern", ["Hello, my name is Grace. ", "can I get ", "x", "- ", "[", "1.", "b你\u0301😀", "\n", "?"]
)
def test_a_very_long_text_is_planned_in_little_memory(pattern: str) -> None:
    def peak(length: int) -> int:
        return peak_memory(make("a " + (pattern * length)[:length]).segments)

    peak(10)  # the caches
    assert peak(16_000) < peak(4_000) + 50_000
