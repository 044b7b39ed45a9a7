"""The segmenter `units`: each word is looked up in the vocabulary, or spelled."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, Protocol

from text2sign_ros.errors import Text2SignError
from text2sign_ros.naming import named
from text2sign_ros.text.markup import LONGEST_ALTERNATIVE
from text2sign_ros.text.normalise import Boundary, Word, normalise
from text2sign_ros.text.omissions import Omissions
from text2sign_ros.text.segments import Segment, Unit, cut, in_sentences, marked


class VocabularyError(Text2SignError):
    """A vocabulary has an entry that no normalised text could match."""


@dataclass(frozen=True)
class Vocabulary:
    """What a model can sign.

    Attributes:
        signs: words and phrases in their normal form: lower-case letters a to z, one space between words ("thank you").
        letters: the single letters that words outside ``signs`` are spelled with.
        alternatives: the names of further signs with the same text as one of ``signs``, which is the default: words of
            a to z and digits, not digits alone, at most ``LONGEST_ALTERNATIVE`` characters ("one handed").
        forms: inflected forms of words of ``signs``, which stand for them where no sign has that very form:
            "cats" -> "cat".

    Raises:
        VocabularyError: an entry is not in that form, occurs twice, or belongs to no sign.
    """

    signs: tuple[str, ...]
    letters: tuple[str, ...]
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("signs", self.signs, "[a-z]+(?: [a-z]+)*")
        _check("letters", self.letters, "[a-z]")
        for sign, others in self.alternatives.items():
            _check(
                f"the alternatives of {sign!r}", others, f"(?![0-9]+$)(?=.{{1,{LONGEST_ALTERNATIVE}}}$){_ALTERNATIVE}"
            )
        _check("forms", tuple(self.forms), "[a-z]+")
        words = {word for sign in self.signs for word in sign.split()}
        if strange := sorted((self.alternatives.keys() - set(self.signs)) | (set(self.forms.values()) - words)):
            raise VocabularyError(f"{strange[0]!r} has alternatives or forms and is not in signs")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the signs, each followed by its alternatives: "alert", "alert (person)"."""
        return tuple(named(sign, other) for sign in self.signs for other in ("", *self.alternatives.get(sign, ())))

    def choose(self, sign: str, asked: str) -> str | None:
        """The alternative of a sign that is asked for by number (1 is the default) or words; None if it has none such.

        "" is the default, which may also be asked for by that word.
        """
        if asked == "default":
            return ""
        every = ("", *self.alternatives.get(sign, ()))
        if asked.isdigit():
            return every[int(asked) - 1] if 1 <= int(asked) <= len(every) else None
        return asked if asked in every else None

    @cached_property
    def tree(self) -> dict[str, Any]:
        """``signs`` word by word: each word leads to those that may follow it, and "" to the sign that ends here."""
        tree: dict[str, Any] = {}
        for sign in self.signs:
            place = tree
            for word in sign.split():
                place = place.setdefault(word, {})
            place[""] = sign
        return tree

    @cached_property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """``signs`` as tuples of words."""
        return frozenset(tuple(sign.split()) for sign in self.signs)

    @cached_property
    def longest(self) -> int:
        """Number of words in the longest phrase."""
        return max(map(len, self.phrases), default=0)


_ALTERNATIVE = "[a-z0-9]+(?: [a-z0-9]+)*"


def _check(name: str, entries: Iterable[str], form: str) -> None:
    for entry, count in Counter(entries).items():
        if not isinstance(entry, str) or not re.fullmatch(form, entry):
            raise VocabularyError(f"{entry!r} in {name} must be of the form {form}")
        if count > 1:
            raise VocabularyError(f"{entry!r} occurs {count} times in {name}")


class Chooser(Protocol):
    """Chooses among the signs of a word by its sentence, see ``senses.Senses``."""

    def informed(self, words: Iterable[Word]) -> Iterator[Word]: ...

    def choose(self, sign: str, context: str) -> str: ...


@dataclass(frozen=True)
class UnitSegmenter:
    """Cuts the signs and letters of a text into segments; see ``segments.Segmenter``.

    Attributes:
        vocabulary: what the model can sign; other words are spelled, letters outside it are left out with a warning.
        max_units: most signs and letters in a segment.
        max_frames: most frames that a segment may be expected to take.
        frames_per_sign: expected frames for a sign of the vocabulary and the movement to it.
        frames_per_letter: the same for a letter.
        senses: chooses among the signs of a word by its sentence; without it the default is signed.

    Raises:
        ValueError: not even one sign fits into a segment.
    """

    vocabulary: Vocabulary
    max_units: int
    max_frames: int
    frames_per_sign: int
    frames_per_letter: int
    senses: Chooser | None = None

    def __post_init__(self) -> None:
        if self.max_units < 1 or not 0 < max(self.frames_per_sign, self.frames_per_letter) <= self.max_frames:
            raise ValueError(
                f"a segment of {self.max_units} signs and {self.max_frames} frames cannot hold a sign of "
                f"{self.frames_per_sign} frames or a letter of {self.frames_per_letter}: raise max_units or max_frames"
            )

    @property
    def texts(self) -> tuple[str, ...] | None:
        """Every sign, with its alternatives, and letter if a segment holds only one; else None."""
        return (*self.vocabulary.names, *self.vocabulary.letters) if self.max_units == 1 else None

    @property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """The signs, as tuples of their words."""
        return self.vocabulary.phrases

    @property
    def forms(self) -> Mapping[str, str]:
        """Inflected forms of their words."""
        return self.vocabulary.forms

    @property
    def example(self) -> str:
        """The first sign."""
        return (self.vocabulary.signs + self.vocabulary.letters)[0]

    def segments(self, text: str, omissions: Omissions) -> Iterator[Segment]:
        """See ``segments.Segmenter``."""
        words = marked(_without_titles(normalise(text, omissions)), lambda word: (word.text,))
        if self.senses:
            words = self.senses.informed(words)
        units = _units(words, self.vocabulary, self.senses, omissions)
        for held in cut(units, lambda unit: (1, self._frames(unit)), (self.max_units, self.max_frames)):
            yield Segment(tuple(held))

    def _frames(self, unit: Unit) -> int:
        frames = self.frames_per_letter if unit.spelled else self.frames_per_sign
        return min(self.max_frames, round(frames / unit.manner.pace))


_SHORT = "a an and as at but by for from if in into nor of off on onto or out over per so the to up via vs with yet"
_LOWER_IN_TITLES = frozenset(_SHORT.split())
_FEWEST_CAPITALISED = 2
"""Words after the first, capitalised, by which a title is known: "Hello Banks" is none."""


def _without_titles(words: Iterable[Word]) -> Iterator[Word]:
    """The words, none of which is a name in a sentence in Title Case, where capitals do not tell names from others.

    A sentence longer than ``markup.LOOKAHEAD`` is taken for an ordinary one.
    """
    for held, whole in in_sentences(words):
        capitalised = sum(word.name for word in held) >= _FEWEST_CAPITALISED
        if whole and capitalised and not any(word.lower and word.text not in _LOWER_IN_TITLES for word in held):
            held = [replace(word, name=False) for word in held]
        yield from held


def _units(
    words: Iterator[Word], vocabulary: Vocabulary, senses: Chooser | None, omissions: Omissions
) -> Iterator[Unit]:
    """The signs of ``words``; ``omissions`` counts the letters that the vocabulary lacks."""
    letters = frozenset(vocabulary.letters)
    ahead = deque(islice(words, max(vocabulary.longest, 1)))
    number, goes_on = 0, False  # of the next word; whether it is the continuation of one
    last: Unit | None = None  # what ends after it is not known yet
    while ahead:
        length, sign = (0, "") if goes_on else _match(ahead, vocabulary)
        taken = [ahead.popleft() for _ in range(max(length, 1))]
        ahead.extend(islice(words, len(taken)))
        first = taken[0]
        alternative = ""
        if first.alternative:
            alternative = _alternative(sign, first, vocabulary, omissions)
        elif first.context and sign and senses:
            alternative = senses.choose(sign, first.context)
        said = " ".join(word.text for word in taken) if length else ""
        if length:
            found = [sign]
        else:
            found = [letter for letter in first.text if letter in letters]
            omissions.letters.update(letter for letter in first.text if letter not in letters)
        for text in found:
            if last:
                yield last
            kind = "sign" if length else "letter"
            last = Unit(text, kind, number, Boundary.NONE, first.manner, said=said, alternative=alternative)
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


def _match(words: Iterable[Word], vocabulary: Vocabulary) -> tuple[int, str]:
    """How many of the next ``words`` make the longest sign, and this sign; 0 and "" if there is none.

    A word also stands for what it is a form of, unless it is a name. Of signs of the same length the one with the word
    as written is preferred, the earlier word first.
    """
    longest = 0, ""
    places = [vocabulary.tree]
    first: Word | None = None
    for length, word in enumerate(words, 1):
        if word.boundary == Boundary.NONE:
            break  # it is only the start of a word
        first = first or word
        if word.manner.spell or word.manner != first.manner or (word.alternative and word is not first):
            break
        form = None if word.name else vocabulary.forms.get(word.text)
        places = [place[text] for place in places for text in (word.text, form) if text in place]
        if not places:
            break
        if ends := [place[""] for place in places if "" in place]:
            longest = length, ends[0]
        if word.boundary > Boundary.WORD:
            break
    return longest


_SHOWN = 20
"""Letters of a word in a warning."""


def _alternative(sign: str, word: Word, vocabulary: Vocabulary, omissions: Omissions) -> str:
    """The alternative of ``sign`` that is asked for before ``word``; "" with a warning if there is none such."""
    if not sign:
        shown = word.text if len(word.text) <= _SHOWN else f"{word.text[:_SHOWN]}…"
        omissions.choose(f'[alt {word.alternative}] has no effect before "{shown}", which is spelled')
        return ""
    chosen = vocabulary.choose(sign, word.alternative)
    if chosen is None:
        others = enumerate(vocabulary.alternatives.get(sign, ()), 2)
        has = ", ".join(["1 (the default)", *(f"{number} ({words})" for number, words in others)])
        omissions.choose(f'"{sign}" has no alternative "{word.alternative}", its default is signed; it has {has}')
    return chosen or ""
