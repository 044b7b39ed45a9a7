"""Markup: tags in a text that say how to sign it, and the markers implied by its words and punctuation otherwise.

The tags are described for authors in docs/markup.md. The default markers of a sentence follow what is known about
American Sign Language (C. Baker-Shenk, "A microanalysis of the nonmanual components of questions in American Sign
Language", 1983; Neidle, Kegl, MacLaughlin, Bahan & Lee, "The Syntax of American Sign Language", 2000): yes/no questions
with raised brows, wh-questions with lowered brows, negation with a head shake. The words that trigger them are English,
and nobody who signs has validated the result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

LOOKAHEAD = 1000
"""Characters to read ahead for the end of a sentence; a longer sentence only has the markers of its tags."""
PAUSE = 0.5
"""Default length of a pause, seconds."""
LONGEST_PAUSE = 10.0
"""Seconds."""

_PACES = {"slow": 0.7, "fast": 1.4}
_EMPHASIS_PACE = 0.8
_MARKERS = frozenset({"question", "wh", "negation", "affirmation", "plain"})
_SPANS = (*_PACES, "emphasis", "spell", *sorted(_MARKERS))
"""Tags that come in pairs: opened and closed."""

LONGEST_ALTERNATIVE = 40
"""Characters of the longest name of an alternative."""

TAG = (
    rf"\[alt [a-z0-9 ]{{1,{LONGEST_ALTERNATIVE}}}\]"
    + r"|\[/?[a-z]{1,16}(?: [a-z0-9.]{1,8})?\]"
    + rf"|\[/?(?:pause|alt|{'|'.join(_SPANS)})(?![a-z])"
)
"""What looks like a tag in folded text: known, unknown, or the start of a malformed one."""
LONGEST_TAG = LONGEST_ALTERNATIVE + 6
"""Most characters that ``TAG`` can match, its lookahead included."""
_PAUSE = re.compile(r"\[pause(?: (\d{1,2}(?:\.\d{1,3})?))?\]", re.ASCII)
_ALT = re.compile(r"\[alt ([a-z0-9]+(?: [a-z0-9]+)*)\]", re.ASCII)

_WH = re.compile("(who|what|when|where|why|how)s?|whom|whose|which")
_NEGATIVE = re.compile(
    "no|not|never|none|nothing|nobody|nowhere|neither|nor|cannot"
    "|(ai|are|ca|could|did|does|do|had|has|have|is|might|must|need|sha|should|was|were|wo|would)nt"
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a word is signed.

    Attributes:
        pace: factor of the usual speed.
        spell: spell it even if there is a sign for it.
        markers: what head and brows show meanwhile: "question", "wh", "negation", "affirmation", "emphasis"; and
            "plain", which shows nothing.
    """

    pace: float = 1.0
    spell: bool = False
    markers: frozenset[str] = frozenset()


DEFAULT_MANNER = Manner()
"""Without any tag."""


class Fault(Enum):
    """What is wrong with a tag: its description (singular, plural), and an explanation."""

    UNKNOWN = (
        "unknown tag signed as text",
        "unknown tags signed as text",
        f"the tags are pause, alt, {', '.join(_SPANS)}",
    )
    MALFORMED = (
        "malformed tag signed as text",
        "malformed tags signed as text",
        f"write [slow] and [/slow], [pause] or [pause 1.5] (at most {LONGEST_PAUSE:g} seconds), [alt 2] before a word",
    )
    REPEATED = ("tag signed as text", "tags signed as text", "opened again before it was closed")
    NOT_OPEN = ("tag signed as text", "tags signed as text", "closed without being open")
    NOT_CLOSED = ("tag never closed", "tags never closed", "held to the end of the text")
    NOTHING_HELD = ("pause without effect", "pauses without effect", "there is no word before it to hold")
    NOTHING_CHOSEN = ("tag without effect", "tags without effect", "there is no word after it to choose a sign for")
    NO_UNITS = (
        "tag without effect",
        "tags without effect",
        "this model signs whole sentences: it has no letters to spell with, and no alternatives to choose from",
    )


class Faults:
    """Counts and a few examples of what is wrong with the tags of a text: small whatever the length of the text."""

    _SHOWN = 3

    def __init__(self) -> None:
        self._totals: Counter[Fault] = Counter()
        self._examples: dict[Fault, list[str]] = {each: [] for each in Fault}

    def add(self, fault: Fault, tag: str) -> None:
        self._totals[fault] += 1
        examples = self._examples[fault]
        if len(examples) <= self._SHOWN and tag not in examples:
            examples.append(tag)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of fault so far."""
        lines = []
        for fault in Fault:
            if total := self._totals[fault]:
                one, many, hint = fault.value
                examples = self._examples[fault]
                shown = ", ".join(examples[: self._SHOWN]) + (", …" if len(examples) > self._SHOWN else "")
                lines.append(f"{total} {one if total == 1 else many} ({shown}): {hint}")
        return tuple(lines)


class Markup:
    """The tags that are open at the current place in a text.

    Args:
        faults: collects what is wrong with the tags.
        units: whether the model has signs and letters; without them ``spell`` and ``alt`` do nothing.

    Attributes:
        manner: how the next word is signed.
    """

    def __init__(self, faults: Faults, *, units: bool = True) -> None:
        self.manner = DEFAULT_MANNER
        self._open: list[str] = []  # each at most once, in the order of opening
        self._alternative = ""  # asked for, and not taken yet
        self._faults, self._units = faults, units

    def read(self, tag: str) -> float | None:
        """Process a match of ``TAG``.

        Returns:
            Seconds to hold the word before it, 0 for tags other than a pause; None if it is plain text after all.
        """
        if fault := self._fault(tag):
            self._faults.add(fault, tag)
            return None
        if pause := _PAUSE.fullmatch(tag):
            return _seconds(pause)
        if asked := _ALT.fullmatch(tag):
            if not self._units:
                self._faults.add(Fault.NO_UNITS, tag)
                return 0.0
            self.take_alternative(used=False)
            self._alternative = asked[1]
            return 0.0
        name = tag.strip("[/]")
        if name in self._open:
            self._open.remove(name)
        else:
            self._open.append(name)
            if name == "spell" and not self._units:
                self._faults.add(Fault.NO_UNITS, tag)
        self.manner = self._manner()
        return 0.0

    def take_alternative(self, *, used: bool = True) -> str:
        """The number or words of the last ``[alt …]``, which then is done with; "" if there is none."""
        asked, self._alternative = self._alternative, ""
        if asked and not used:
            self._faults.add(Fault.NOTHING_CHOSEN, f"[alt {asked}]")
        return asked

    def end(self) -> None:
        """Mark the end of the text."""
        self.take_alternative(used=False)
        for name in self._open:
            self._faults.add(Fault.NOT_CLOSED, f"[{name}]")

    def _fault(self, tag: str) -> Fault | None:
        if pause := _PAUSE.fullmatch(tag):
            return None if 0.0 < _seconds(pause) <= LONGEST_PAUSE else Fault.MALFORMED
        if _ALT.fullmatch(tag):
            return None
        name, closes = tag.strip("[/]"), tag.startswith("[/")
        if name not in _SPANS or not tag.endswith("]"):
            return Fault.MALFORMED if name.split(" ")[0] in (*_SPANS, "pause", "alt") else Fault.UNKNOWN
        if closes and name not in self._open:
            return Fault.NOT_OPEN
        return Fault.REPEATED if name in self._open and not closes else None

    def _manner(self) -> Manner:
        paces = [_PACES[name] for name in self._open if name in _PACES]
        pace = paces[-1] if paces else 1.0
        markers = frozenset(self._open) & (_MARKERS | {"emphasis"})
        spell = self._units and "spell" in self._open
        return Manner(pace * _EMPHASIS_PACE if "emphasis" in markers else pace, spell, markers)


def asking_for(label: str, alternative: str) -> str:
    """A text that is signed as this one sign: "[alt person]alert"; just the label for its default."""
    return f"[alt {alternative}]{label}" if alternative else label


def _seconds(pause: re.Match[str]) -> float:
    return float(pause[1] or PAUSE)


def default_markers(words: Iterable[tuple[str, Manner]], *, asks: bool) -> frozenset[str]:
    """The markers implied by the words and punctuation of a sentence; none if its author marked any part of it.

    Args:
        words: of the sentence, in normal form (no apostrophes).
        asks: whether it ends in a question mark.
    """
    found = set()
    for word, manner in words:
        if manner.markers & _MARKERS:
            return frozenset()
        if not manner.spell:
            found |= {name for name, form in (("wh", _WH), ("negation", _NEGATIVE)) if form.fullmatch(word)}
    if not asks:
        found.discard("wh")
    elif "wh" not in found:
        found.add("question")
    return frozenset(found)
