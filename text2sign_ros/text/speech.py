"""Speech: which words of a recogniser's changing results may be signed early, and which wait for the final one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from types import MappingProxyType

LANGUAGE = "en"
"""Language of the vocabulary, of spoken numbers and of the words that determine markers; ISO 639-1."""
SILENCE = 10.0
"""Seconds without a result after which an utterance is considered ended, although its final result never arrived."""
MAX_EARLY_WORDS = 256
"""Only the first words of an utterance, at most this many, may be signed before its final result."""

_BRACKETS = dict.fromkeys(map(ord, "[]［］﹇﹈"), " ")
"""All characters that could open or close a markup tag once the text is normalised."""
_NOT_SPOKEN = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")


def plain(text: str) -> str:
    """``text`` as spoken words: without a recogniser's annotations ("[noise]", "<unk>") and without brackets."""
    return _NOT_SPOKEN.sub(" ", text).translate(_BRACKETS).strip()


def is_understood(locale: str) -> bool:
    """Whether speech of a locale ("en", "en_GB", "en-GB") can be signed; an empty locale counts as one that can."""
    return re.split("[-_.@]", locale.strip().lower(), maxsplit=1)[0] in ("", LANGUAGE)


@dataclass(frozen=True)
class Remainder:
    """What remains of an utterance when its final result arrives.

    Attributes:
        text: not signed yet; empty if everything was.
        partly_signed: whether some of the utterance has been signed.
        revised: whether the final result contradicts what was signed.
    """

    text: str
    partly_signed: bool
    revised: bool


class Transcript:
    """Follows one speaker's utterance through the results of a recogniser and returns each of its words once.

    A word may be returned before the final result if a number of consecutive results agreed on it and on all words
    before it. The last word of a result never is: it may be half a word, and recognisers revise it most. Nor is a word
    that may start a sign of several words ("thank" of "thank you"). Words are compared without case and punctuation,
    which recognisers add late. While a result contradicts what was returned, nothing more is returned.

    Invariant, checked by the tests: if the final result starts with the words returned early, these words and the
    remainder are the words of the final result, each once and in order. If it does not, the remainder starts where the
    words before it differ least from those returned early.

    Not thread-safe.

    Args:
        phrases: the signs, as tuples of their words in lower case.
        forms: inflected forms of these words, which stand for them.
    """

    def __init__(
        self, phrases: Collection[tuple[str, ...]] = (), forms: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._phrases = [phrase for phrase in phrases if len(phrase) > 1]
        self._forms = forms
        self._updated_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        self._text = ""
        self._words: list[_Word] = []
        self._agreeing: list[int] = []  # per word: consecutive results that had it and all before it; never rises
        self._given: list[str] = []

    def update(self, text: str, now: float) -> None:
        """Process a result that is not final.

        Args:
            text: everything recognised of the utterance so far, as returned by ``plain``.
            now: seconds, on any clock that does not jump.
        """
        self._expire(now)
        words = _words(text, MAX_EARLY_WORDS)
        pairs = zip(_keys(words), _keys(self._words), strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._agreeing = [count + 1 for count in self._agreeing[:same]] + [1] * (len(words) - same)
        self._text, self._words = text, words

    def take(self, results: int) -> str:
        """The words that may be signed now and were not returned before; empty if there are none.

        Args:
            results: how many consecutive results must have agreed on a word.
        """
        given = len(self._given)
        keys = _keys(self._words)
        if keys[:given] != self._given:
            return ""
        end = min(sum(count >= results for count in self._agreeing), len(keys) - 1)
        while end > given and self._splits(keys, given, end):
            end -= 1
        if end <= given:
            return ""
        self._given = keys[:end]
        return self._text[self._words[given].start : self._words[end].start].strip()

    def finish(self, text: str, now: float) -> Remainder:
        """Process the final result of the utterance; the next result starts another one.

        Args:
            text, now: as for ``update``.
        """
        self._expire(now)
        given = self._given
        self._forget()
        if not given:
            return Remainder(text, partly_signed=False, revised=False)
        words = _words(text, 2 * MAX_EARLY_WORDS)
        keys = _keys(words)
        revised = keys[: len(given)] != given
        cut = _counterpart(given, keys) if revised else len(given)
        return Remainder(text[words[cut].start :] if cut < len(words) else "", partly_signed=True, revised=revised)

    def _expire(self, now: float) -> None:
        if now - self._updated_at > SILENCE:
            self._forget()
        self._updated_at = now

    def _splits(self, keys: list[str], begin: int, cut: int) -> bool:
        """Whether a cut before word ``cut`` may split a sign of several words that starts at ``begin`` or later."""
        for phrase in self._phrases:
            for start in range(max(begin, cut - len(phrase) + 1), cut):
                heard = keys[start : start + len(phrase)]
                if all(key == word or self._forms.get(key) == word for key, word in zip(heard, phrase, strict=False)):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class _Word:
    key: str
    start: int


def _words(text: str, most: int) -> list[_Word]:
    """The first words of ``text``: their comparable form and where they start. Punctuation alone is not a word."""
    found = ((match, "".join(filter(str.isalnum, match[0].casefold()))) for match in re.finditer(r"\S+", text))
    return list(islice((_Word(key, match.start()) for match, key in found if key), most))


def _keys(words: list[_Word]) -> list[str]:
    return [word.key for word in words]


def _counterpart(given: list[str], keys: list[str]) -> int:
    """How many of ``keys`` correspond to ``given``: the prefix with the least edit distance.

    Ties go to a prefix that ends in the same word, then to the one whose length is nearest.

    Levenshtein distance over words, row by row: R. A. Wagner, M. J. Fischer, The String-to-String Correction Problem,
    Journal of the ACM 21 (1974).
    """
    row = list(range(len(keys) + 1))
    for i, word in enumerate(given, 1):
        above, row = row, [i]
        for j, key in enumerate(keys, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != key)))
    return min(range(len(row)), key=lambda j: (row[j], keys[j - 1 : j] != given[-1:], abs(j - len(given))))
