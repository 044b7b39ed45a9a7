"""Segments: a text cut into what a model generates in one go, whichever segmenter its bundle names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol, TypeVar

from text2sign_ros.naming import named
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.markup import DEFAULT_MANNER, LOOKAHEAD, Manner, default_markers
from text2sign_ros.text.normalise import Boundary, Word
from text2sign_ros.text.omissions import Omissions

SHORT_TEXT = 1000
"""Characters of the longest text that is planned completely before it is signed, so that its warnings are complete."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest part of a text that the model distinguishes.

    Attributes:
        text: a vocabulary phrase ("thank you"), one letter ("g"), or a clause as it is written ("Thank you, Grace!").
        kind: "sign", "letter" (of the manual alphabet) or "clause".
        word: index of its word in the text (of the first word, for a phrase or clause); the letters of one spelled
            word share it.
        boundary: what ends after it; NONE between the letters of a word.
        manner: how it is signed, by the tags and the punctuation of the text.
        pause: seconds to hold it.
        said: of a sign, the words of the text that it stands for, in their normal form: "cats" for "cat".
        alternative: which of several signs with this text; "" is the default.
    """

    text: str
    kind: str
    word: int
    boundary: Boundary
    manner: Manner = DEFAULT_MANNER
    pause: float = 0.0
    said: str = ""
    alternative: str = ""

    @property
    def name(self) -> str:
        """What conditions the model: the text, and the alternative if it is not the default: "alert (person)"."""
        return named(self.text, self.alternative)

    @property
    def spelled(self) -> bool:
        """Whether it is a letter of the manual alphabet."""
        return self.kind == "letter"


@dataclass(frozen=True, slots=True)
class Segment:
    """The units that are generated together: all in the same manner, and only the last with a pause after it."""

    units: tuple[Unit, ...]

    @property
    def manner(self) -> Manner:
        return self.units[0].manner

    @property
    def text(self) -> str:
        """What conditions the model: "hello g r a c e", "Hello, my name is Grace."."""
        return " ".join(unit.name for unit in self.units)


class Segmenter(Protocol):
    """Cuts texts into segments for one model.

    Attributes:
        texts: all texts that a segment can have; None if there are too many to list.
        phrases: words that form one sign together: callers that cut a text beforehand must not separate them.
        forms: inflected forms of these words, which form the sign as well: "cats" -> "cat".
        example: a text to warm up a model with.
    """

    @property
    def texts(self) -> tuple[str, ...] | None: ...

    @property
    def phrases(self) -> frozenset[tuple[str, ...]]: ...

    @property
    def forms(self) -> Mapping[str, str]: ...

    @property
    def example(self) -> str: ...

    def segments(self, text: str, omissions: Omissions) -> Iterator[Segment]:
        """The segments of a text, generated lazily; ``omissions`` counts what is left out on the way.

        Holds the words of little more than one segment, or ``LOOKAHEAD`` characters, whatever the length of the text.
        """
        ...


class Segments(Iterable[Segment]):
    """The segments of a text, planned lazily and again on each pass. Not thread-safe."""

    def __init__(self, text: str, segmenter: Segmenter) -> None:
        self._text, self._segmenter = text, segmenter
        self._omissions = Omissions()
        self._complete = False

    def __iter__(self) -> Iterator[Segment]:
        omissions = Omissions()
        if not self._complete:
            self._omissions = omissions
        yield from self._segmenter.segments(self._text, omissions)
        self._omissions, self._complete = omissions, True

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is left out and why: of the whole text once a pass is complete, until then as far as it has come."""
        return self._omissions.warnings


@dataclass(frozen=True)
class Plan:
    """A text as it will be signed: at least one segment, and warnings about what is left out."""

    text: str
    segments: Segments

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``Segments.warnings``; complete from the start for a text of at most ``SHORT_TEXT`` characters."""
        return self.segments.warnings


def plan(text: str, segmenter: Segmenter, *, max_characters: int) -> Plan:
    """Cut a text into segments, lazily if it is long.

    Args:
        text: what to sign.
        segmenter: that of the model.
        max_characters: length of the longest text that is accepted.

    Raises:
        TextError: the text is not a string, is too long, or has nothing that can be signed.
    """
    if not isinstance(text, str):
        raise TextError(f"a text must be a str, not {type(text).__name__}")
    if len(text) > max_characters:
        raise TextError(
            f"the text has {len(text)} characters, more than the {max_characters} allowed: send it in parts, or raise "
            "max_characters"
        )
    segments = Segments(text, segmenter)
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


Item = TypeVar("Item", Unit, Word)


def cut(
    items: Iterable[Item], size: Callable[[Item], tuple[float, ...]], limits: tuple[float, ...]
) -> Iterator[list[Item]]:
    """Fill a segment up to the limits or the end of the sentence, then go back to the best boundary within it.

    Args:
        items: units, or words, in order.
        size: returns the size of an item in each limited dimension.
        limits: the greatest total size of a segment. An item that exceeds it is a segment by itself.

    Yields:
        the items of a segment: at least one, all in the same manner, only the last with a pause.
    """
    held: list[Item] = []
    nothing = (0.0,) * len(limits)
    used = nothing
    for item in items:
        if held and (held[-1].pause or held[-1].manner != item.manner):
            yield held
            held, used = [], nothing
        own = size(item)
        while held and any(a + b > most for a, b, most in zip(used, own, limits, strict=True)):
            end = 1 + max(range(len(held)), key=lambda i: (held[i].boundary, i))
            yield held[:end]
            held = held[end:]
            used = tuple(sum(each) for each in zip(*map(size, held), strict=True)) if held else nothing
        held.append(item)
        used = tuple(a + b for a, b in zip(used, own, strict=True))
        if item.boundary == Boundary.SENTENCE:
            yield held
            held, used = [], nothing


def marked(words: Iterable[Word], spoken: Callable[[Word], Iterable[str]]) -> Iterator[Word]:
    """The words with the default markers of their sentence; without them if it is longer than ``LOOKAHEAD``.

    Args:
        words: the last one ends a sentence.
        spoken: returns the words in normal form that one of them contains.
    """
    for held, whole in in_sentences(words):
        if whole:
            pairs = ((form, each.manner) for each in held for form in spoken(each))
            if found := default_markers(pairs, asks=held[-1].asks):
                held = [replace(w, manner=replace(w.manner, markers=w.manner.markers | found)) for w in held]
        yield from held


def in_sentences(words: Iterable[Word]) -> Iterator[tuple[list[Word], bool]]:
    """The words of each sentence, and whether it is all of it: one longer than ``LOOKAHEAD`` comes in parts."""
    held: list[Word] = []
    length = 0  # of the sentence so far
    for word in words:
        length += len(word.text) + 1
        held.append(word)
        ended = word.boundary == Boundary.SENTENCE
        if ended or length > LOOKAHEAD:
            yield held, length <= LOOKAHEAD
            held = []
        if ended:
            length = 0
