"""Planning: which signs a text becomes, and where they are cut into the segments that are generated at once."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from text2sign_ros.errors import Text2SignError
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.markup import PLAINLY, SIGHT, Manner, default_markers
from text2sign_ros.text.normalise import Boundary, Word, normalise
from text2sign_ros.text.omissions import Omissions

SHORT_TEXT = 1000
"""Characters of the longest text that is planned to its end before it is signed, for the sake of its warnings."""


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


@dataclass(frozen=True, slots=True)
class Unit:
    """One sign.

    Attributes:
        text: a vocabulary phrase ("thank you") or one letter ("g").
        spelled: whether it is a letter of the manual alphabet.
        word: index of its word in the normalised text (of the first word, for a phrase); the letters of one spelled
            word share it.
        boundary: what ends after it; NONE between the letters of a word.
        manner: how it is signed: as the tags in the text say, and the punctuation.
        pause: seconds for which it is held.
    """

    text: str
    spelled: bool
    word: int
    boundary: Boundary
    manner: Manner = PLAINLY
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Segment:
    """The signs that are generated at once: all in the same manner, and only the last with a pause after it."""

    units: tuple[Unit, ...]

    @property
    def manner(self) -> Manner:
        return self.units[0].manner

    @property
    def text(self) -> str:
        """What conditions the model: "hello g r a c e"."""
        return " ".join(unit.text for unit in self.units)


class Segments(Iterable[Segment]):
    """The segments of a text, planned anew on each pass, each when it is asked for.

    A pass holds the words and signs of little more than one segment, or of ``SIGHT`` characters, whatever the length of
    the text. Not thread-safe.
    """

    def __init__(
        self,
        text: str,
        vocabulary: Vocabulary,
        *,
        max_units: int,
        max_frames: int,
        frames_per_sign: int,
        frames_per_letter: int,
    ) -> None:
        if max_units < 1 or not 0 < max(frames_per_sign, frames_per_letter) <= max_frames:
            raise ValueError(
                f"a segment of {max_units} signs and {max_frames} frames cannot hold a sign of {frames_per_sign} "
                f"frames or a letter of {frames_per_letter}: raise max_units or max_frames"
            )
        self._text = text
        self._vocabulary = vocabulary
        self._max_units = max_units
        self._max_frames = max_frames
        self._frames_per_sign = frames_per_sign
        self._frames_per_letter = frames_per_letter
        self._omissions = Omissions()
        self._complete = False

    def __iter__(self) -> Iterator[Segment]:
        omissions = Omissions()
        if not self._complete:
            self._omissions = omissions
        words = _marked(normalise(self._text, omissions))
        yield from self._cut(_units(words, self._vocabulary, omissions))
        self._omissions, self._complete = omissions, True

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is left out and why: of the whole text once a pass has come to its end, till then as far as one has."""
        return self._omissions.warnings

    def _cut(self, units: Iterator[Unit]) -> Iterator[Segment]:
        """Fill a segment up to the limits or the end of the sentence, then go back to the best boundary within it."""
        held: list[Unit] = []  # less than a sentence, within the limits, in one manner
        frames = 0
        for unit in units:
            if held and (held[-1].pause or held[-1].manner != unit.manner):
                yield Segment(tuple(held))
                held, frames = [], 0
            while held and (len(held) == self._max_units or frames + self._frames(unit) > self._max_frames):
                end = 1 + max(range(len(held)), key=lambda i: (held[i].boundary, i))
                yield Segment(tuple(held[:end]))
                frames -= sum(map(self._frames, held[:end]))
                del held[:end]
            held.append(unit)
            frames += self._frames(unit)
            if unit.boundary == Boundary.SENTENCE:
                yield Segment(tuple(held))
                held, frames = [], 0

    def _frames(self, unit: Unit) -> int:
        frames = self._frames_per_letter if unit.spelled else self._frames_per_sign
        return min(self._max_frames, round(frames / unit.manner.pace))


@dataclass(frozen=True)
class Plan:
    """A text as it will be signed: at least one segment, and what is left out of it and why."""

    text: str
    segments: Segments

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``Segments.warnings``; complete from the beginning for a text of at most ``SHORT_TEXT`` characters."""
        return self.segments.warnings


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
    """Find the signs of a text and cut them into segments, those of a long text not before they are asked for.

    Args:
        max_characters: the longest text that is accepted.
        max_units: signs that a segment holds at most.
        max_frames: frames that a segment is expected to take at most.
        frames_per_sign: frames that a sign of the vocabulary is expected to take, with the way to it.
        frames_per_letter: the same for a letter.

    Raises:
        TextError: the text cannot be signed at all: not a string, too long, or nothing in it can be signed.
        ValueError: not even one sign fits into a segment.
    """
    if not isinstance(text, str):
        raise TextError(f"a text must be a str, not {type(text).__name__}")
    if len(text) > max_characters:
        raise TextError(
            f"the text has {len(text)} characters, more than the {max_characters} allowed: send it in parts, or raise "
            "max_characters"
        )
    segments = Segments(
        text,
        vocabulary,
        max_units=max_units,
        max_frames=max_frames,
        frames_per_sign=frames_per_sign,
        frames_per_letter=frames_per_letter,
    )
    count = sum(1 for _ in islice(segments, None if len(text) <= SHORT_TEXT else 1))
    if not count:
        raise TextError(_why_nothing(text, segments.warnings))
    return Plan(text, segments)


def _why_nothing(text: str, warnings: tuple[str, ...]) -> str:
    if warnings:
        cause = f"nothing in the text can be signed: {'; '.join(warnings)}"
    elif not text:
        cause = "the text is empty"
    elif text.isspace():
        cause = "the text holds only spaces"
    else:
        cause = f"the text holds only punctuation or tags ({text[:20]!r})"
    return f"{cause}. Send at least one word or letter that can be signed"


def _marked(words: Iterator[Word]) -> Iterator[Word]:
    """The words with the markers that they have by their sentence; none where it is longer than ``SIGHT``."""
    held: list[Word] = []
    length = 0  # of the sentence so far
    for word in words:
        length += len(word.text) + 1
        held.append(word)
        ended = word.boundary == Boundary.SENTENCE
        if (
            ended
            and length <= SIGHT
            and (found := default_markers(((each.text, each.manner) for each in held), asks=word.asks))
        ):
            held = [replace(w, manner=replace(w.manner, markers=w.manner.markers | found)) for w in held]
        if ended or length > SIGHT:
            yield from held
            held = []
        if ended:
            length = 0


def _units(words: Iterator[Word], vocabulary: Vocabulary, omissions: Omissions) -> Iterator[Unit]:
    """The signs of ``words``; ``omissions`` counts the letters that the vocabulary lacks."""
    letters = frozenset(vocabulary.letters)
    ahead = deque(islice(words, max(vocabulary.longest, 1)))
    number, goes_on = 0, False  # of the word that is next, and whether it began before
    last: Unit | None = None  # what ends after it is not known yet
    while ahead:
        length = 0 if goes_on else _match(ahead, vocabulary)
        taken = [ahead.popleft() for _ in range(max(length, 1))]
        ahead.extend(islice(words, len(taken)))
        if length:
            found = [" ".join(word.text for word in taken)]
        else:
            found = [letter for letter in taken[0].text if letter in letters]
            omissions.letters.update(letter for letter in taken[0].text if letter not in letters)
        for sign in found:
            if last:
                yield last
            last = Unit(sign, not length, number, Boundary.NONE, taken[0].manner)
        boundary, pause = taken[-1].boundary, taken[-1].pause
        if last:  # also when no letter of the word is known: its boundary then falls to the unit before
            last = replace(last, boundary=max(last.boundary, boundary), pause=max(last.pause, pause))
        goes_on = boundary == Boundary.NONE
        number += 0 if goes_on else len(taken)
    if last:
        yield last


def _match(words: Iterable[Word], vocabulary: Vocabulary) -> int:
    """How many of the next ``words`` make the longest sign; 0 when there is none."""
    longest = 0
    phrase: tuple[str, ...] = ()
    manner: Manner | None = None
    for word in words:
        if word.boundary == Boundary.NONE:
            break  # it is only the beginning of a word
        manner = manner or word.manner
        if word.manner.spell or word.manner != manner:
            break
        phrase = (*phrase, word.text)
        if phrase in vocabulary.phrases:
            longest = len(phrase)
        if word.boundary > Boundary.WORD:
            break
    return longest
