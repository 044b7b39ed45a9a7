"""Speech: which words of a recogniser's changing results may be signed at once, and which await the final one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice, takewhile

LANGUAGE = "en"
"""Of the vocabulary, the numbers that are read out and the words that markers are told by; ISO 639-1."""
SILENCE = 10.0
"""Seconds without a result after which an utterance has ended, though its final result never came."""
SIGHT = 256
"""Words of an utterance, from its beginning, of which any may be signed before its final result."""

_BRACKETS = dict.fromkeys(map(ord, "[]［］﹇﹈"), " ")
"""All that a tag of the markup could begin or end with, once the text is normalised."""
_NOT_SPOKEN = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")


def plain(text: str) -> str:
    """``text`` as spoken words: without a recogniser's remarks ("[noise]", "<unk>"), and with no bracket of a tag."""
    return _NOT_SPOKEN.sub(" ", text).translate(_BRACKETS).strip()


def is_understood(locale: str) -> bool:
    """Whether speech of a locale ("en", "en_GB", "en-GB") can be signed; none at all is taken for one that can."""
    return re.split("[-_.@]", locale.strip().lower(), maxsplit=1)[0] in ("", LANGUAGE)


@dataclass(frozen=True)
class Rest:
    """What is left of an utterance when its final result comes.

    Attributes:
        text: still to be signed; empty if all of it was.
        begun: whether some of it was signed before.
        revised: whether the final result contradicts that.
    """

    text: str
    begun: bool
    revised: bool


class Transcript:
    """Follows one speaker's utterance through the results of a recogniser, and gives each of its words once.

    A word may be given before the final result when the last so many results agreed on it and on all before it. The
    last word of a result never is: it may be half a word, and recognisers revise it most. Nor is one with which a sign
    of several words may have begun ("thank" of "thank you"). Words are compared without case and punctuation, which
    recognisers add late. As long as a result contradicts what was given, nothing more is.

    What holds, and the tests hold it to: if what was given stands at the beginning of the final result, the words given
    and the rest are the final result's words, each once and in order. If not, the rest begins where the words given and
    those before it differ least.

    Not thread-safe.

    Args:
        phrases: the signs, as tuples of their words in lower case.
    """

    def __init__(self, phrases: Collection[tuple[str, ...]] = ()) -> None:
        self._phrases = [phrase for phrase in phrases if len(phrase) > 1]
        self._heard_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        self._text = ""
        self._words: list[_Word] = []
        self._agreed: list[int] = []  # for each word, how many results in a row had it, and all before it; never rises
        self._given: list[str] = []

    def hear(self, text: str, now: float) -> None:
        """Take a result that is not final.

        Args:
            text: all that was recognised of the utterance so far, as of ``plain``.
            now: seconds, on any clock that does not jump.
        """
        self._awake(now)
        words = _words(text, SIGHT)
        pairs = zip(_keys(words), _keys(self._words), strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._agreed = [count + 1 for count in self._agreed[:same]] + [1] * (len(words) - same)
        self._text, self._words = text, words

    def take(self, results: int) -> str:
        """The words that may be signed now and were not given before; empty if there are none.

        Args:
            results: how many in a row must have agreed on a word.
        """
        given = len(self._given)
        keys = _keys(self._words)
        if keys[:given] != self._given:
            return ""
        end = min(sum(count >= results for count in self._agreed), len(keys) - 1)
        while end > given and self._parts(keys, given, end):
            end -= 1
        if end <= given:
            return ""
        self._given = keys[:end]
        return self._text[self._words[given].start : self._words[end].start].strip()

    def end(self, text: str, now: float) -> Rest:
        """Take the final result of the utterance; the next result begins another one.

        Args:
            text, now: as of ``hear``.
        """
        self._awake(now)
        given = self._given
        self._forget()
        if not given:
            return Rest(text, begun=False, revised=False)
        words = _words(text, 2 * SIGHT)
        keys = _keys(words)
        revised = keys[: len(given)] != given
        cut = _counterpart(given, keys) if revised else len(given)
        return Rest(text[words[cut].start :] if cut < len(words) else "", begun=True, revised=revised)

    def _awake(self, now: float) -> None:
        if now - self._heard_at > SILENCE:
            self._forget()
        self._heard_at = now

    def _parts(self, keys: list[str], begin: int, cut: int) -> bool:
        """Whether a cut before word number ``cut`` may part a sign of several words that begins after ``begin``."""
        for phrase in self._phrases:
            for start in range(max(begin, cut - len(phrase) + 1), cut):
                heard = tuple(keys[start : start + len(phrase)])
                if heard == phrase[: len(heard)]:
                    return True
        return False


@dataclass(frozen=True, slots=True)
class _Word:
    key: str
    start: int


def _words(text: str, most: int) -> list[_Word]:
    """The first words of ``text``: what can be compared of them, and where they begin. Punctuation alone is none."""
    found = ((match, "".join(filter(str.isalnum, match[0].casefold()))) for match in re.finditer(r"\S+", text))
    return list(islice((_Word(key, match.start()) for match, key in found if key), most))


def _keys(words: list[_Word]) -> list[str]:
    return [word.key for word in words]


def _counterpart(given: list[str], keys: list[str]) -> int:
    """How many of ``keys`` say what ``given`` does: those with the least edit distance.

    Of several those that end in the same word, and of these those of which there are as many as were given.

    Levenshtein distance over words, row by row: R. A. Wagner, M. J. Fischer, The String-to-String Correction Problem,
    Journal of the ACM 21 (1974).
    """
    row = list(range(len(keys) + 1))
    for i, word in enumerate(given, 1):
        above, row = row, [i]
        for j, key in enumerate(keys, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != key)))
    return min(range(len(row)), key=lambda j: (row[j], keys[j - 1 : j] != given[-1:], abs(j - len(given))))
