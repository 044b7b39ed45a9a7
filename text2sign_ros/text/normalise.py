"""Normalisation: any Unicode text becomes words of letters a to z, each with the boundary that follows it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from num2words import num2words

from text2sign_ros.text.markup import DEFAULT_MANNER, LONGEST_PAUSE, LONGEST_TAG, TAG, Fault, Manner, Markup
from text2sign_ros.text.omissions import Kind, Omissions, kind

PIECE = 1000
"""Characters of a text that are folded in one go."""
LONGEST_TOKEN = 2000
"""Letters of the longest word, or characters of the longest number, that is held in one piece."""


class Boundary(IntEnum):
    """What ends after a word or a sign; the greater, the better a place to pause."""

    NONE = 0
    """Nothing: the word continues."""
    WORD = 1
    CLAUSE = 2
    """A comma, semicolon, colon, dash or bracket."""
    SENTENCE = 3
    """A full stop, question or exclamation mark, a line break, or the end of the text."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text.

    Attributes:
        text: one or more letters a to z.
        boundary: what follows it. NONE only inside a word of more than ``LONGEST_TOKEN`` letters, which continues in
            the next Word.
        manner: how it is signed, by the tags around it.
        pause: seconds to hold it.
        asks: whether a question mark ends its sentence here.
        name: whether it looks like a name: capitalised, and not the first word of its sentence.
        lower: whether it is written in lower case.
        alternative: which sign is asked for, of those that the word stands for, by the tag before it.
        context: the words around it, where a choice among signs may need them.
    """

    text: str
    boundary: Boundary
    manner: Manner = DEFAULT_MANNER
    pause: float = 0.0
    asks: bool = False
    name: bool = False
    lower: bool = False
    alternative: str = ""
    context: str = ""


def normalise(text: str, omissions: Omissions) -> Iterator[Word]:
    """Fold case, accents and typography, parse tags, spell out numbers and symbols as words, and find the boundaries.

    Lazy: reads little further than the word it yields, takes time proportional to the length of the text and holds at
    most a few thousand characters of it. This does not affect the result, with one exception: a number of more than
    ``LONGEST_TOKEN`` characters is read as several numbers, unless it consists of digits alone.

    Args:
        text: any string, lone surrogates included.
        omissions: counts the characters that are left out and the faulty tags, as far as the text has been read.

    Yields:
        The words, the last of which ends a sentence; none if nothing can be signed.
    """
    last: Word | None = None  # what follows it is not known yet
    markup = Markup(omissions.markup)
    for token, cut in _tokens(characters(text, _cased, kind, omissions)):
        tag = (token["tag"] or "").lower()
        pause = markup.read(tag) if tag else None
        if tag and pause is not None:
            if pause:
                last = hold(last, pause, tag, omissions)
            continue
        for part in PLAIN.finditer(tag) if tag else (token,):
            words = _read(part)
            if words:
                if last:
                    yield last
                name = last is not None and last.boundary < Boundary.SENTENCE and _is_capitalised(part["letters"])
                manner, alternative = markup.manner, markup.take_alternative()
                for word in words[:-1]:
                    yield Word(word, Boundary.WORD, manner, alternative=alternative)
                    alternative = ""
                boundary = Boundary.NONE if cut and part["letters"] else Boundary.WORD
                lower = part["letters"] is not None and part["letters"][0].islower()
                last = Word(words[-1], boundary, manner, name=name, lower=lower, alternative=alternative)
            elif last:
                asks = last.asks or "?" in (part["sentence"] or "")
                boundary = max(last.boundary, BOUNDARIES[part.lastgroup])
                if (boundary, asks) != (last.boundary, last.asks):
                    last = replace(last, boundary=boundary, asks=asks)
    markup.end()
    if last:
        yield replace(last, boundary=Boundary.SENTENCE)


def hold(word: Word | None, seconds: float, tag: str, omissions: Omissions) -> Word | None:
    """The last word, held longer by a pause; if there is no word, ``omissions`` counts the tag."""
    if word is None:
        omissions.markup.add(Fault.NOTHING_HELD, tag)
        return None
    boundary = max(word.boundary, Boundary.CLAUSE)
    return replace(word, boundary=boundary, pause=min(word.pause + seconds, LONGEST_PAUSE))


# Replacements of single characters, before and after their decomposition.
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
"""Digits of the longest integer that is read as a number; a longer one is read digit by digit, as people do."""


def characters(
    text: str, read: Callable[[str], str], why: Callable[[str], Kind | None], omissions: Omissions
) -> Iterator[str]:
    """``text`` piece by piece, each character replaced by ``read``.

    Args:
        text: any string, lone surrogates included.
        read: returns the replacement of a character; "" leaves it out.
        why: returns why a character is left out; None if no warning is needed.
        omissions: counts what is left out for a reason.
    """
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        plain = {}
        for char, count in Counter(piece).items():
            plain[ord(char)] = read(char)
            if not plain[ord(char)] and (reason := why(char)):
                omissions.add(char, reason, count)
                if reason is not Kind.CONTROL:
                    plain[ord(char)] = " "
        yield piece.translate(plain)


@lru_cache(1024)
def fold(char: str) -> str:
    """One character as a to z, 0 to 9, ASCII punctuation, currency signs, space and line break; "" if it has none.

    Character by character because ``unicodedata.normalize`` takes quadratic time on long runs of combining marks.
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


@lru_cache(1024)
def _cased(char: str) -> str:
    """``fold``, except that capitals stay capitals."""
    return fold(char).upper() if char.isupper() else fold(char)


def _is_capitalised(letters: str | None) -> bool:
    stem = (letters or "").partition("'")[0]  # "I'm" is as little a name as "I"
    return stem[:1].isupper() and not stem.isupper()


def _ascii(char: str) -> str:
    if " " <= char <= "~":
        return char
    digit = unicodedata.decimal(char, None)
    return "" if digit is None else str(digit)


PLAIN = re.compile(
    r"(?P<letters>[a-z]+(?:'[a-z]+)*)"
    r"|(?P<minus>(?<![a-z0-9-])-)?(?P<currency>[$€£¥] ?)?"
    r"(?P<number>\d+(?:[.,:]\d+)*)(?P<ordinal>(?:st|nd|rd|th)(?![a-z]))?"
    r"|(?P<symbol>[&+=%@#$€£¥])"
    r"|(?P<sentence>[!?\n]+|\.(?![a-z0-9]))"
    r"|(?P<clause>[,;:()\]{}]+|\[|(?<= )-(?= )|--+)",
    re.ASCII | re.IGNORECASE,
)
"""Tokens of folded text: words, numbers and symbols, and, named as in ``BOUNDARIES``, the punctuation after them."""
# What turns out not to be a tag is read as plain text.
_TOKEN = re.compile(rf"(?P<tag>{TAG})|{PLAIN.pattern}", re.ASCII | re.IGNORECASE)
BOUNDARIES: dict[str | None, Boundary] = {"sentence": Boundary.SENTENCE, "clause": Boundary.CLAUSE}
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_REACH = LONGEST_TAG
"""Characters beyond a token that may affect how it is read ("st" and no letter after a number; a tag after its
bracket), or whether a token starts there at all (a minus, a currency sign and a space before a number)."""
_TAIL = LONGEST_NUMBER + 3
"""Characters left for the second part of a token cut in two: of a number with "th", enough digits to be read singly."""


def _tokens(pieces: Iterable[str]) -> Iterator[tuple[re.Match[str], bool]]:
    """The tokens of the joined ``pieces``, and whether each continues in the next one because it is too long to hold.

    Characters that belong to no token (quotes, slashes, hyphens) only separate words.
    """
    held, start = "", 0  # read from ``start`` on; the character before it is for the tokens that look behind
    for piece in pieces:
        held, start = held[max(start - 1, 0) :] + piece, min(start, 1)
        certain = len(held) - _REACH
        unsure: re.Match[str] | None = None
        for token in _TOKEN.finditer(held, start):
            if token.end() > certain:
                unsure = token
                certain = min(token.start(), certain)
                break
            yield token, False
            start = token.end()
        start = max(start, certain)
        if unsure and len(unsure[0]) > LONGEST_TOKEN:
            beginning = _TOKEN.match(held, unsure.start(), unsure.end() - _TAIL)
            assert beginning
            yield beginning, True
            start = beginning.end()
    for token in _TOKEN.finditer(held, start):
        yield token, False


def _read(token: re.Match[str]) -> list[str]:
    """The words for a token; none for a boundary."""
    if token.lastgroup in BOUNDARIES:
        return []
    if letters := token["letters"]:
        return [letters.replace("'", "").lower()]
    if symbol := token["symbol"]:
        return [_SYMBOLS.get(symbol) or _CURRENCIES[symbol][1]]
    return _number(token)


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
