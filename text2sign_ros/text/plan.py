"""Planning: which signs a text becomes, and where they are cut into the segments that are generated at once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

from text2sign_ros.errors import Text2SignError
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.normalise import Boundary, Word, normalise


class VocabularyError(Text2SignError):
    """A vocabulary holds what no normalised text could match."""


@dataclass(frozen=True)
class Vocabulary:
    """What a model can sign.

    Attributes:
        signs: words and phrases in normal form: lower-case letters a to z, one space between words ("thank you").
        letters: the single letters that words outside ``signs`` are spelled with.

    Raises:
        VocabularyError: an entry is not in that form, or occurs twice.
    """

    signs: tuple[str, ...]
    letters: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, entries, form in (("signs", self.signs, "[a-z]+(?: [a-z]+)*"), ("letters", self.letters, "[a-z]")):
            for entry, count in Counter(entries).items():
                if not isinstance(entry, str) or not re.fullmatch(form, entry):
                    raise VocabularyError(f"{entry!r} in {name} must be of the form {form}")
                if count > 1:
                    raise VocabularyError(f"{entry!r} occurs {count} times in {name}")

    @cached_property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """``signs`` as tuples of words."""
        return frozenset(tuple(sign.split()) for sign in self.signs)

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max(map(len, self.phrases), default=0)


@dataclass(frozen=True)
class Unit:
    """One sign.

    Attributes:
        text: a vocabulary phrase ("thank you") or one letter ("g").
        spelled: whether it is a letter of the manual alphabet.
        word: index of its word in the normalised text (of the first word, for a phrase); the letters of one spelled
            word share it.
        boundary: what ends after it; NONE between the letters of a word.
    """

    text: str
    spelled: bool
    word: int
    boundary: Boundary


@dataclass(frozen=True)
class Segment:
    """The signs that are generated at once."""

    units: tuple[Unit, ...]

    @property
    def text(self) -> str:
        """What conditions the model: "hello g r a c e"."""
        return " ".join(unit.text for unit in self.units)


@dataclass(frozen=True)
class Plan:
    """A text as it will be signed: at least one segment, and what was left out of it and why."""

    text: str
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...]


def plan(
    text: str,
    vocabulary: Vocabulary,
    *,
    max_characters: int,
    max_units: int,
    max_frames: int,
    frames_per_sign: int,
    frames_per_letter: int,
) -> Plan:
    """Find the signs of a text and cut them into segments.

    Args:
        max_characters: the longest text that is accepted.
        max_units: signs that a segment holds at most.
        max_frames: frames that a segment is expected to take at most.
        frames_per_sign: frames that a sign of the vocabulary is expected to take, with the way to it.
        frames_per_letter: the same for a letter.

    Raises:
        TextError: the text cannot be signed at all.
        ValueError: not even one sign fits into a segment.
    """
    if max_units < 1 or not 0 < max(frames_per_sign, frames_per_letter) <= max_frames:
        raise ValueError(
            f"a segment of {max_units} signs and {max_frames} frames cannot hold a sign of {frames_per_sign} frames or "
            f"a letter of {frames_per_letter}: raise max_units or max_frames"
        )
    normalised = normalise(text, max_characters=max_characters)
    units, missing = _units(normalised.words, vocabulary)
    warnings = normalised.warnings
    if missing:
        shown = ", ".join(f"{letter} ({count}x)" for letter, count in sorted(missing.items()))
        warnings += (f"left out letters of spelled words that the vocabulary has no sign for: {shown}",)
    if not units:
        raise TextError(f"nothing in the text can be signed: {'; '.join(warnings)}. Use words of the vocabulary")
    frames = [frames_per_letter if unit.spelled else frames_per_sign for unit in units]
    return Plan(text, _segments(units, frames, max_units, max_frames), warnings)


def _units(words: tuple[Word, ...], vocabulary: Vocabulary) -> tuple[list[Unit], Counter[str]]:
    """-> units, and how often each letter was wanted that the vocabulary lacks."""
    units: list[Unit] = []
    missing: Counter[str] = Counter()
    letters = frozenset(vocabulary.letters)
    start = 0
    while start < len(words):
        length = _match(words, start, vocabulary)
        boundary = words[start + max(length, 1) - 1].boundary
        if length:
            phrase = " ".join(word.text for word in words[start : start + length])
            units.append(Unit(phrase, False, start, boundary))
        else:
            known = [letter for letter in words[start].text if letter in letters]
            missing.update(letter for letter in words[start].text if letter not in letters)
            units += (Unit(letter, True, start, Boundary.NONE) for letter in known)
            if units:  # also when no letter of the word is known: its boundary then falls to the unit before
                units[-1] = replace(units[-1], boundary=max(units[-1].boundary, boundary))
        start += max(length, 1)
    return units, missing


def _match(words: tuple[Word, ...], start: int, vocabulary: Vocabulary) -> int:
    """How many words from ``start`` on make the longest sign; 0 when there is none."""
    longest = 0
    phrase: tuple[str, ...] = ()
    for word in words[start : start + vocabulary.longest]:
        phrase = (*phrase, word.text)
        if phrase in vocabulary.phrases:
            longest = len(phrase)
        if word.boundary > Boundary.WORD:
            break
    return longest


def _segments(units: list[Unit], frames: list[int], max_units: int, max_frames: int) -> tuple[Segment, ...]:
    """Fill a segment up to the limits or the end of the sentence, then go back to the best boundary within it."""
    segments, start = [], 0
    while start < len(units):
        end, total = start, 0
        while end < len(units) and end - start < max_units and total + frames[end] <= max_frames:
            total += frames[end]
            end += 1
            if units[end - 1].boundary == Boundary.SENTENCE:
                break
        best = max(unit.boundary for unit in units[start:end])
        end = max(i + 1 for i in range(start, end) if units[i].boundary == best)
        segments.append(Segment(tuple(units[start:end])))
        start = end
    return tuple(segments)
