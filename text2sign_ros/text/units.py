"""The segmenter `units`: each word is looked up in the vocabulary, or spelled."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from text2sign_ros.errors import Text2SignError
from text2sign_ros.text.markup import Manner
from text2sign_ros.text.normalise import Boundary, Word, normalise
from text2sign_ros.text.omissions import Omissions
from text2sign_ros.text.segments import Segment, Unit, cut, marked


class VocabularyError(Text2SignError):
    """A vocabulary has an entry that no normalised text could match."""


@dataclass(frozen=True)
class Vocabulary:
    """What a model can sign.

    Attributes:
        signs: words and phrases in their normal form: lower-case letters a to z, one space between words ("thank you").
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
        """Number of words in the longest phrase."""
        return max(map(len, self.phrases), default=0)


@dataclass(frozen=True)
class UnitSegmenter:
    """Cuts the signs and letters of a text into segments; see ``segments.Segmenter``.

    Attributes:
        vocabulary: what the model can sign; other words are spelled, letters outside it are left out with a warning.
        max_units: most signs and letters in a segment.
        max_frames: most frames that a segment may be expected to take.
        frames_per_sign: expected frames for a sign of the vocabulary and the movement to it.
        frames_per_letter: the same for a letter.

    Raises:
        ValueError: not even one sign fits into a segment.
    """

    vocabulary: Vocabulary
    max_units: int
    max_frames: int
    frames_per_sign: int
    frames_per_letter: int

    def __post_init__(self) -> None:
        if self.max_units < 1 or not 0 < max(self.frames_per_sign, self.frames_per_letter) <= self.max_frames:
            raise ValueError(
                f"a segment of {self.max_units} signs and {self.max_frames} frames cannot hold a sign of "
                f"{self.frames_per_sign} frames or a letter of {self.frames_per_letter}: raise max_units or max_frames"
            )

    @property
    def texts(self) -> tuple[str, ...] | None:
        """Every sign and letter if a segment holds only one; else None."""
        return (*self.vocabulary.signs, *self.vocabulary.letters) if self.max_units == 1 else None

    @property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """The signs, as tuples of their words."""
        return self.vocabulary.phrases

    @property
    def example(self) -> str:
        """The first sign."""
        return (self.vocabulary.signs + self.vocabulary.letters)[0]

    def segments(self, text: str, omissions: Omissions) -> Iterator[Segment]:
        """See ``segments.Segmenter``."""
        words = marked(normalise(text, omissions), lambda word: (word.text,))
        units = _units(words, self.vocabulary, omissions)
        for held in cut(units, lambda unit: (1, self._frames(unit)), (self.max_units, self.max_frames)):
            yield Segment(tuple(held))

    def _frames(self, unit: Unit) -> int:
        frames = self.frames_per_letter if unit.spelled else self.frames_per_sign
        return min(self.max_frames, round(frames / unit.manner.pace))


def _units(words: Iterator[Word], vocabulary: Vocabulary, omissions: Omissions) -> Iterator[Unit]:
    """The signs of ``words``; ``omissions`` counts the letters that the vocabulary lacks."""
    letters = frozenset(vocabulary.letters)
    ahead = deque(islice(words, max(vocabulary.longest, 1)))
    number, goes_on = 0, False  # of the next word; whether it is the continuation of one
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
            last = Unit(sign, "sign" if length else "letter", number, Boundary.NONE, taken[0].manner)
        boundary, pause = taken[-1].boundary, taken[-1].pause
        if last:  # even if no letter of the word is known: its boundary then applies to the unit before
            last = replace(last, boundary=max(last.boundary, boundary), pause=max(last.pause, pause))
        goes_on = boundary == Boundary.NONE
        number += 0 if goes_on else len(taken)
    if last:
        yield last


class NumberedWords:
    """The words of a text by the numbers that ``Unit.word`` has, read only as far as asked for. Not thread-safe."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start()

    def _start(self) -> None:
        self._words = normalise(self._text, Omissions())
        self._number, self._word = -1, ""

    def __call__(self, number: int) -> str:
        """The word, at most ``LONGEST_TOKEN`` letters of it; "" if the text has none with this number.

        Fast if the numbers asked for rise: a lower one is searched from the start.
        """
        if number < self._number:
            self._start()
        while self._number < number:
            piece = next(self._words, None)
            if piece is None:
                return ""
            self._number, self._word = self._number + 1, piece.text
            while piece is not None and piece.boundary == Boundary.NONE:
                piece = next(self._words, None)
        return self._word


def _match(words: Iterable[Word], vocabulary: Vocabulary) -> int:
    """How many of the next ``words`` make the longest sign; 0 if there is none."""
    longest = 0
    phrase: tuple[str, ...] = ()
    manner: Manner | None = None
    for word in words:
        if word.boundary == Boundary.NONE:
            break  # it is only the start of a word
        manner = manner or word.manner
        if word.manner.spell or word.manner != manner:
            break
        phrase = (*phrase, word.text)
        if phrase in vocabulary.phrases:
            longest = len(phrase)
        if word.boundary > Boundary.WORD:
            break
    return longest
