"""The segmenter `sentences`: clauses go to the model as written, without a vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Protocol

from text2sign_ros.text.markup import LONGEST_TAG, TAG, Markup
from text2sign_ros.text.normalise import BOUNDARIES, PLAIN, Boundary, Word, characters, fold, hold
from text2sign_ros.text.omissions import Kind, Omissions, kind
from text2sign_ros.text.segments import Segment, Unit, cut, marked

LONGEST_WORD = 64
"""Characters without a space that are kept in one piece; BERT's tokenizer gives up at 100."""
EXAMPLES = ("hello", "coffee", "please", "where", "tomorrow", "many", "people", "between", "house", "question")
"""Words to try out a model with that has no vocabulary."""


class Tokenizer(Protocol):
    """What a segmenter needs of the text encoder, see ``encoder.SentenceEncoder``."""

    def count(self, text: str) -> int: ...

    def reads(self, char: str) -> bool: ...


@dataclass(frozen=True)
class SentenceSegmenter:
    """Cuts a text into clauses; see ``segments.Segmenter``.

    A segment is a sentence as written. One that is too long for a segment is cut at the last comma, semicolon, colon,
    dash or bracket that fits, else between two words. Case, punctuation and numbers stay, as they do in the texts of a
    corpus without units: the encoder deals with them. White space becomes one space. Punctuation that stands alone
    belongs to the word before it; before the first word it is left out.

    Any word is signed, with whatever result. Characters that are not part of words are left out with a warning, as with
    ``units``: emoji and other symbols, control characters, and letters that the encoder's tokenizer has no token for.
    Characters with a plain form (full-width letters, ligatures) are replaced by it if the tokenizer knows only that.

    Attributes:
        tokenizer: the model's text encoder.
        max_tokens: most tokens in a segment.
        max_frames: most frames that a segment may be expected to take.
        frames_per_character: expected frames for each character of a text.
    """

    tokenizer: Tokenizer
    max_tokens: int
    max_frames: int
    frames_per_character: float

    @property
    def texts(self) -> tuple[str, ...] | None:
        """None: too many to list."""
        return None

    @property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """Empty: a cut between two words loses context but splits no sign."""
        return frozenset()

    @property
    def forms(self) -> Mapping[str, str]:
        """Empty, as ``phrases``."""
        return {}

    @property
    def example(self) -> str:
        """A word."""
        return EXAMPLES[0]

    def segments(self, text: str, omissions: Omissions) -> Iterator[Segment]:
        """See ``segments.Segmenter``."""
        number = 0
        words = marked(self._words(text, omissions), lambda word: _run(word.text).spoken)
        for held in cut(words, self._size, (self.max_frames, self.max_tokens)):
            clause, last = " ".join(word.text for word in held), held[-1]
            yield Segment((Unit(clause, "clause", number, last.boundary, last.manner, last.pause),))
            number += len(held)

    def _size(self, word: Word) -> tuple[float, float]:
        frames = self.frames_per_character * (len(word.text) + 1) / word.manner.pace
        return min(self.max_frames, frames), min(self.max_tokens, self.tokenizer.count(word.text))

    def _words(self, text: str, omissions: Omissions) -> Iterator[Word]:
        """The words as written, each with the punctuation around it; the last one ends a sentence."""
        last: Word | None = None  # what follows it is not known yet
        markup = Markup(omissions.markup, units=False)
        gap, goes_on = "", False  # between the last run and this one; whether there is nothing, not even a tag
        for token in _tokens(characters(text, self._written, _why, omissions)):
            tag = (token["tag"] or "").lower()
            if tag and (pause := markup.read(tag)) is not None:
                if pause:
                    last = hold(last, pause, tag, omissions)
                goes_on = False
                continue
            if token["space"]:
                gap, goes_on = " ", False
                if last and "\n" in token["space"]:
                    last = replace(last, boundary=Boundary.SENTENCE)
                continue
            run = _run(token[0])
            if last:
                last = replace(last, boundary=max(last.boundary, run.before), asks=last.asks or run.asks_before)
            if run.is_word:
                if last:
                    torn = goes_on and last.boundary == Boundary.WORD
                    yield replace(last, boundary=Boundary.NONE) if torn else last
                *parts, end = self._torn(token[0])
                yield from (Word(part, Boundary.NONE, markup.manner) for part in parts)
                last = Word(end, run.after, markup.manner, asks=run.asks)
            elif last and self._fits(longer := f"{last.text}{gap}{token[0]}"):
                last = replace(last, text=longer)
            gap, goes_on = "", True
        markup.end()
        if last:
            yield replace(last, boundary=Boundary.SENTENCE)

    def _written(self, char: str) -> str:
        """The replacement of a character in the clause; "" if it is left out."""
        plain = fold(char)
        if plain in ("\n", " "):
            return plain
        if plain:
            return char if self.tokenizer.reads(char) else plain
        if kind(char) is None:  # joiners and variation selectors are for pictures, which are left out
            is_accent = unicodedata.category(char)[0] == "M" and not "\ufe00" <= char <= "\ufe0f"
            return char if is_accent else ""
        return char if kind(char) is Kind.SCRIPT and self.tokenizer.reads(char) else ""

    def _torn(self, run: str) -> list[str]:
        """A run of characters split into parts that the model takes; usually one."""
        if len(run) == 1 or self._fits(run):
            return [run] if _run(run).is_word else []
        middle = len(run) // 2
        return self._torn(run[:middle]) + self._torn(run[middle:])

    def _fits(self, word: str) -> bool:
        return len(word) <= LONGEST_WORD and self.tokenizer.count(word) <= self.max_tokens


def _why(char: str) -> Kind | None:
    why = kind(char)
    return Kind.UNREADABLE if why is Kind.SCRIPT else why


# Scripts without spaces have their own punctuation, after which a word ends.
_ENDS = "。｡！？，、；："
_MOST_ENDS = 8
_MOST_OTHERS = LONGEST_WORD - _MOST_ENDS - 1  # a bracket may stand before them
_TOKEN = re.compile(
    rf"(?P<tag>{TAG})|(?P<space>[ \n]{{1,{LONGEST_WORD}}})"
    rf"|\[?(?:[^\s\[{_ENDS}]{{1,{_MOST_OTHERS}}}[{_ENDS}]{{0,{_MOST_ENDS}}}|[{_ENDS}]{{1,{_MOST_ENDS}}})|\[",
    re.ASCII | re.IGNORECASE,
)


def _tokens(pieces: Iterable[str]) -> Iterator[re.Match[str]]:
    """Split the joined ``pieces`` into tags, spaces and runs of anything else."""
    held = ""
    for piece in pieces:
        held += piece
        start = 0
        for token in _TOKEN.finditer(held):
            if token.end() + LONGEST_TAG > len(held):  # may go on, or be the beginning of a tag
                break
            yield token
            start = token.end()
        held = held[start:]
    yield from _TOKEN.finditer(held)


class _Run(NamedTuple):
    """Properties of a run of characters without a space.

    Attributes:
        is_word: whether it contains anything but punctuation.
        spoken: its words in normal form, which determine markers.
        before: the boundary that its punctuation before its first word makes; WORD if none.
        after: the same after its last word.
        asks_before, asks: whether that punctuation has a question mark.
    """

    is_word: bool
    spoken: tuple[str, ...]
    before: Boundary
    after: Boundary
    asks_before: bool
    asks: bool


@lru_cache(1024)
def _run(run: str) -> _Run:
    """Boundaries are found as in normalised text: both segmenters agree on where a sentence ends."""
    # Letters without a plain form still count as letters.
    tokens = list(PLAIN.finditer(f" {''.join(fold(char) or 'x' * char.isalnum() for char in run)} "))
    words = [index for index, token in enumerate(tokens) if token.lastgroup not in BOUNDARIES]
    first, end = (words[0], words[-1] + 1) if words else (len(tokens), len(tokens))
    before, asks_before = _ends(tokens[:first])
    after, asks = _ends(tokens[end:])
    spoken = tuple(token["letters"].replace("'", "") for token in tokens if token["letters"])
    return _Run(bool(words), spoken, before, after, asks_before, asks)


def _ends(tokens: list[re.Match[str]]) -> tuple[Boundary, bool]:
    boundary = max((BOUNDARIES[token.lastgroup] for token in tokens), default=Boundary.WORD)
    return boundary, any("?" in (token["sentence"] or "") for token in tokens)
