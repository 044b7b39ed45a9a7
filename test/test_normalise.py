"""Normalisation: the resulting words, the warnings, and independence of the piece size."""

import sys

import pytest
from conftest import peak_memory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from text2sign_ros.text import Boundary, Omissions, Word, normalise

MODULE = sys.modules["text2sign_ros.text.normalise"]  # the package's attribute of that name is the function


def normalised(text: str) -> tuple[list[Word], tuple[str, ...]]:
    omissions = Omissions()
    return list(normalise(text, omissions)), omissions.warnings


def words(text: str) -> str:
    return " ".join(word.text for word in normalised(text)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello WORLD", "hello world"),
        ("Crème brûlée, Straße", "creme brulee strasse"),
        ("Łódź Ærø Þór", "lodz aero thor"),
        ("ﬁne ＨＥＬＬＯ", "fine hello"),
        ("don’t  “stop”", "dont stop"),
        ("rock 'n' roll", "rock n roll"),
        ("Thank-you", "thank you"),
        ("Tom & Jerry", "tom and jerry"),
        ("3", "three"),
        ("3.5", "three point five"),
        ("1,000", "one thousand"),
        ("1,2,3", "one two three"),
        ("10:30", "ten thirty"),
        ("007", "zero zero seven"),
        ("21st", "twenty first"),
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("£3.50", "three pounds and fifty pence"),
        ("50%", "fifty percent"),
        ("-5", "minus five"),
        ("2½", "two one over two"),
        ("٣", "three"),
        ("r2d2", "r two d two"),
        ("1" * 400, " ".join(["one"] * 400)),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("between", "boundary"),
    [
        *((mark, Boundary.SENTENCE) for mark in (". ", "? ", "! ", "\n", "... ", ", bye. ", "。")),
        *((mark, Boundary.CLAUSE) for mark in (", ", "; ", ": ", " — ", "–", " - ", " (", ") ")),
        *((mark, Boundary.WORD) for mark in (" ", "-", "/", " 😀 ", '" ')),
    ],
)
def test_boundaries(between, boundary):
    result, _ = normalised(f"a{between}b")
    assert max(word.boundary for word in result[:-1]) == boundary
    assert result[-1].boundary == Boundary.SENTENCE


def test_one_warning_for_each_kind_of_thing_left_out():
    result, (control, symbol, script) = normalised("hi\x07 \ud800\x07 😀👨\u200d👩\u200d👧 你好 Привет ok")
    assert [word.text for word in result] == ["hi", "ok"]
    assert "3 control" in control and "U+0007, U+D800" in control
    assert "4 emoji" in symbol and "😀" in symbol and "no sign" in symbol
    assert "8 letters of other scripts" in script and "你" in script and "a to z" in script
    assert normalised("été don’t 1️⃣")[1] == ()


MIXED = st.lists(
    st.sampled_from(
        [
            *("a", "st", "th", "hello", "thank you", "1", "12", "999", "½", "’", "'", "-", " - ", "--", " ", "$", "€ "),
            *(",", ".", ":", "!", "\n", "%", "\u0301", "😀", "你", "\u200d", "\x00", "。"),
        ]
    ),
    max_size=60,
).map("".join)


@given(st.text(st.characters(), max_size=60) | MIXED)
@example("".join(map(chr, range(0xD7F0, 0xD810))))
@settings(deadline=None)
def test_any_text_gives_plain_words(text):
    result, warnings = normalised(text)
    assert all(word.text.isascii() and word.text.isalpha() and word.text.islower() for word in result)
    assert all(word.boundary > Boundary.NONE for word in result)
    assert not result or result[-1].boundary == Boundary.SENTENCE
    assert len(warnings) <= 3
    for warning in warnings:
        warning.encode()  # can be published and printed


@given(MIXED, st.integers(1, 9))
@example("-$ 5", 1)
@settings(deadline=None)
def test_words_do_not_depend_on_the_piece_size(text, piece):
    whole = normalised(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "PIECE", piece)
        assert normalised(text) == whole


@given(st.lists(st.text("ab'", min_size=1, max_size=60) | st.text("0123456789", min_size=1, max_size=60)))
@example(["a" * 40 + "'" + "b" * 40])
@example([" " * gap + "7" * count + "th" for count in range(40, 60) for gap in range(5)])
@settings(deadline=None)
def test_a_huge_word_or_number_is_split_but_reads_the_same(parts):
    text = " ".join(parts)
    whole, _ = normalised(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "PIECE", 5)
        patch.setattr(MODULE, "LONGEST_TOKEN", 24)
        cut, _ = normalised(text)
    joined = "".join(word.text + " " * (word.boundary > Boundary.NONE) for word in cut)
    assert joined.split() == [word.text for word in whole]
    assert all(len(word.text) <= 24 + 5 for word in cut)


def test_little_is_read_beyond_the_word_that_is_asked_for():
    omissions = Omissions()
    assert next(normalise("hello world " * 1000 + "😀", omissions)).text == "hello"
    assert omissions.warnings == ()


@pytest.mark.timeout(120)  # quadratic time would be hours
@pytest.mark.parametrize("pattern", ["a\u0327\u0301", "1,111", "a'", " -", "😀a", "9", "1.", "a", "-", ",", "\u0301"])
def test_a_very_long_text_is_neither_a_hang_nor_held_in_memory(pattern):
    text = "a" + (pattern * 100_000)[:100_000]
    assert next(normalise(text, Omissions()))
    assert peak_memory(normalise(text, Omissions())) < 1e6
