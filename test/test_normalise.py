"""Normalising: what comes out as words, what is warned of, what is refused."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from text2sign_ros.text import Boundary, TextError, normalise


def words(text: str) -> str:
    return " ".join(word.text for word in normalise(text, max_characters=5000).words)


def refusal(text: object, max_characters: int = 5000) -> str:
    with pytest.raises(TextError) as error:
        normalise(text, max_characters=max_characters)  # type: ignore[arg-type]
    return str(error.value)


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
    result = normalise(f"a{between}b", max_characters=99).words
    assert max(word.boundary for word in result[:-1]) == boundary
    assert result[-1].boundary == Boundary.SENTENCE


def test_one_warning_for_each_kind_of_thing_left_out():
    result = normalise("hi\x07 \ud800\x07 😀👨‍👩‍👧 你好 Привет ok", max_characters=99)
    assert [word.text for word in result.words] == ["hi", "ok"]
    control, symbol, script = result.warnings
    assert "3 control" in control and "U+0007, U+D800" in control
    assert "4 emoji" in symbol and "😀" in symbol and "no sign" in symbol
    assert "8 letters of other scripts" in script and "你" in script and "a to z" in script
    assert normalise("été don’t 1️⃣", max_characters=99).warnings == ()


def test_refusals_name_the_cause():
    assert "empty" in refusal("")
    assert "only spaces" in refusal(" \n\t")
    assert "only punctuation" in refusal("'")
    assert "emoji" in refusal("😀")
    assert "other scripts" in refusal("你好")
    assert "control" in refusal("\x00\x07")
    assert "bytes" in refusal(b"hello")
    too_long = refusal("a" * 20_000)
    assert all(part in too_long for part in ("20000", "5000", "max_characters"))


@given(st.text(st.characters(), max_size=60) | st.text("1,.:-$%'a st\n", max_size=60))
@example("".join(map(chr, range(0xD7F0, 0xD810))))
@settings(deadline=None)
def test_any_text_gives_plain_words_or_a_text_error(text):
    try:
        result = normalise(text, max_characters=100)
    except TextError as error:
        str(error).encode()  # can be published and printed
        return
    assert result.words[-1].boundary == Boundary.SENTENCE
    assert all(word.text.isascii() and word.text.isalpha() and word.text.islower() for word in result.words)
    assert all(word.boundary > Boundary.NONE for word in result.words)
    assert len(result.warnings) <= 3
    for warning in result.warnings:
        warning.encode()


@pytest.mark.timeout(120)  # quadratic time would be hours
@pytest.mark.parametrize("pattern", ["a\u0327\u0301", "1,111", "a'", " -", "😀a", "9", "1."])
def test_a_very_long_text_is_not_a_hang(pattern):
    text = "a" + (pattern * 500_000)[:500_000]
    assert normalise(text, max_characters=len(text)).words
