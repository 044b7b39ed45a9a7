"""Normalising: any Unicode text becomes plain words of a to z, each with the boundary that follows it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache

from num2words import num2words

from text2sign_ros.text.errors import TextError


class Boundary(IntEnum):
    """What ends after a word or a sign; a greater one is the better place to pause."""

    NONE = 0
    """Nothing: the letters of one spelled word go on."""
    WORD = 1
    CLAUSE = 2
    """A comma, semicolon, colon, dash or bracket."""
    SENTENCE = 3
    """A full stop, question or exclamation mark, a line break, or the end of the text."""


@dataclass(frozen=True)
class Word:
    """``text`` is one or more letters a to z; ``boundary`` follows it and is never NONE."""

    text: str
    boundary: Boundary


@dataclass(frozen=True)
class Normalised:
    """At least one word, the last of which ends a sentence, and what had to be left out on the way."""

    words: tuple[Word, ...]
    warnings: tuple[str, ...]


def normalise(text: str, *, max_characters: int) -> Normalised:
    """Fold case, accents and typography, read numbers and symbols out as words, find the boundaries.

    Runs in time proportional to the text, whatever it holds.

    Args:
        text: any string, lone surrogates included.
        max_characters: the longest text that is accepted.

    Raises:
        TextError: not a string, too long, or nothing in it can be signed.
    """
    if not isinstance(text, str):
        raise TextError(f"a text must be a str, not {type(text).__name__}")
    if len(text) > max_characters:
        raise TextError(
            f"the text has {len(text)} characters, more than the {max_characters} allowed: send it in parts, or raise "
            "max_characters"
        )
    counts = Counter(text)
    folded = {char: _fold(char) for char in counts}
    left_out = {char: kind for char in counts if not folded[char] and (kind := _kind(char))}
    warnings = _warnings(left_out, counts)
    gaps = {char: " " for char, kind in left_out.items() if kind is not _Kind.CONTROL}
    words = _words(text.translate({ord(char): plain for char, plain in (folded | gaps).items()}))
    if not words:
        raise TextError(_why_nothing(text, warnings))
    return Normalised(words, warnings)


# What single characters stand for, before and after their decomposition.
_LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
_MEANINGS = (
    dict.fromkeys("‘’‚‛′ʼ`´", "'")
    | dict.fromkeys("“”„‟″«»‹›·¡¿", " ")
    | dict.fromkeys("‐‑−﹣", "-")
    | dict.fromkeys("‒–—―", "--")
    | dict.fromkeys("。｡", ". ")
    | dict.fromkeys("、،", ",")
    | {"؟": "?", "؛": ";", "⁄": " over ", "°": " degrees ", "×": " times ", "÷": " divided by "}
    | {"€": "€", "£": "£", "¥": "¥", "æ": "ae", "œ": "oe", "ø": "o", "ð": "d", "đ": "d", "ħ": "h", "ı": "i"}
    | {"ł": "l", "þ": "th", "ŧ": "t"}
)
_SYMBOLS = {"&": "and", "+": "plus", "=": "equals", "%": "percent", "@": "at", "#": "number"}
# Singular, plural, plural of the hundredth.
_CURRENCIES = {
    "$": ("dollar", "dollars", "cents"),
    "€": ("euro", "euros", "cents"),
    "£": ("pound", "pounds", "pence"),
    "¥": ("yen", "yen", "sen"),
}

LONGEST_NUMBER = 9
"""Digits of the longest whole number that is read as one; a longer one is read digit by digit, as people do."""


def _fold(char: str) -> str:
    """One character as a to z, 0 to 9, ASCII punctuation, currency signs, space and line break; "" for none of them.

    Character by character, since ``unicodedata.normalize`` takes quadratic time on long runs of combining marks.
    """
    if char in _LINE_BREAKS:
        return "\n"
    category = unicodedata.category(char)
    if category.startswith("Z") or char == "\t":
        return " "
    if char in _MEANINGS:
        return _MEANINGS[char]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
    folded = "".join(_MEANINGS.get(part) or _ascii(part) for part in plain)
    # ½, ² and ① would otherwise join the digits before them.
    return f" {folded} " if category == "No" and folded else folded


def _ascii(char: str) -> str:
    if " " <= char <= "~":
        return char
    digit = unicodedata.decimal(char, None)
    return "" if digit is None else str(digit)


class _Kind(Enum):
    """Why a character is left out: what is said of it (one, several), and the reason."""

    CONTROL = ("control or invisible character", "control or invisible characters", "they stand for nothing")
    SYMBOL = ("emoji or symbol", "emoji or symbols", "there is no sign for them")
    SCRIPT = ("letter of another script", "letters of other scripts", "only the Latin letters a to z can be spelled")


def _kind(char: str) -> _Kind | None:
    """None for what only shapes the character beside it: accents, joiners, variation selectors, flag tags."""
    category = unicodedata.category(char)
    if category[0] == "M" or char in "\u00ad\u200c\u200d" or "\U000e0020" <= char <= "\U000e007f":
        return None
    if category in ("Cc", "Cf", "Cs", "Co"):
        return _Kind.CONTROL
    return _Kind.SCRIPT if category[0] in "LN" else _Kind.SYMBOL


def _warnings(left_out: dict[str, _Kind], counts: Counter[str]) -> tuple[str, ...]:
    warnings = []
    for kind in _Kind:
        chars = [char for char in left_out if left_out[char] is kind]
        if chars:
            one, many, reason = kind.value
            total = sum(counts[char] for char in chars)
            shown = ", ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in chars[:5])
            more = ", …" if len(chars) > 5 else ""
            warnings.append(f"left out {total} {one if total == 1 else many} ({shown}{more}): {reason}")
    return tuple(warnings)


def _why_nothing(text: str, warnings: tuple[str, ...]) -> str:
    if warnings:
        cause = f"nothing in the text can be signed: {'; '.join(warnings)}"
    elif not text:
        cause = "the text is empty"
    elif text.isspace():
        cause = "the text holds only spaces"
    else:
        cause = f"the text holds only punctuation ({text[:20]!r})"
    return f"{cause}. Send at least one word or letter"


_TOKEN = re.compile(
    r"(?P<letters>[a-z]+(?:'[a-z]+)*)"
    r"|(?P<minus>(?<![a-z0-9-])-)?(?P<currency>[$€£¥] ?)?"
    r"(?P<number>\d+(?:[.,:]\d+)*)(?P<ordinal>(?:st|nd|rd|th)(?![a-z]))?"
    r"|(?P<symbol>[&+=%@#$€£¥])"
    r"|(?P<sentence>[!?\n]|\.(?![a-z0-9]))"
    r"|(?P<clause>[,;:()\[\]{}]|(?<= )-(?= )|--+)",
    re.ASCII,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)


def _words(text: str) -> tuple[Word, ...]:
    """Folded text to words; characters that no token takes (quotes, slashes, hyphens) only part words."""
    words: list[Word] = []
    for token in _TOKEN.finditer(text):
        if letters := token["letters"]:
            words.append(Word(letters.replace("'", ""), Boundary.WORD))
        elif token["number"]:
            words += (Word(word, Boundary.WORD) for word in _number(token))
        elif symbol := token["symbol"]:
            words.append(Word(_SYMBOLS.get(symbol) or _CURRENCIES[symbol][1], Boundary.WORD))
        elif words:
            boundary = Boundary.SENTENCE if token["sentence"] else Boundary.CLAUSE
            words[-1] = Word(words[-1].text, max(words[-1].boundary, boundary))
    if words:
        words[-1] = Word(words[-1].text, Boundary.SENTENCE)
    return tuple(words)


def _number(token: re.Match[str]) -> list[str]:
    number = token["number"]
    if _THOUSANDS.fullmatch(number):
        number = number.replace(",", "")
    words = ["minus"] if token["minus"] else []
    if token["currency"]:
        return words + _money(number, *_CURRENCIES[token["currency"][0]])
    if token["ordinal"] and number.isdigit() and len(number) <= LONGEST_NUMBER:
        return [*words, *_spoken(number, "ordinal")]
    for part in re.split("[,:]", number):  # a list, a date, a time of day
        words += _decimal(part)
    return words


def _money(amount: str, one: str, many: str, hundredths: str) -> list[str]:
    whole, _, fraction = amount.partition(".")
    if len(fraction) == 2 and whole.isdigit() and fraction.isdigit():
        unit = one if whole == "1" else many
        return [*_whole(whole), unit, *([] if fraction == "00" else ["and", *_spoken(fraction), hundredths])]
    return [word for part in re.split("[,:]", amount) for word in _decimal(part)] + [one if amount == "1" else many]


def _decimal(number: str) -> list[str]:
    whole, *fractions = number.split(".")
    words = _whole(whole)
    for fraction in fractions:
        words.append("point")
        words += _digits(fraction)
    return words


def _whole(number: str) -> list[str]:
    leading_zero = number[0] == "0" and len(number) > 1
    return _digits(number) if leading_zero or len(number) > LONGEST_NUMBER else list(_spoken(number))


def _digits(number: str) -> list[str]:
    return [_DIGITS[int(digit)] for digit in number]


@lru_cache(1024)
def _spoken(number: str, to: str = "cardinal") -> tuple[str, ...]:
    return tuple(re.findall("[a-z]+", num2words(int(number), lang="en", to=to)))


_DIGITS = [_spoken(digit)[0] for digit in "0123456789"]
