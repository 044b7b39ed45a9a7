"""Omissions: the parts of a text that cannot be signed as written, counted while the text is planned."""

from __future__ import annotations

import unicodedata
from collections import Counter
from enum import Enum
from functools import lru_cache

from text2sign_ros.text.markup import Faults

_SHOWN = 5
"""Characters of each kind to show in a warning."""
_MOST_CHOICES, _MORE = 3, "more [alt …] without effect"
"""Warnings about alternatives, and what stands for all further ones."""


class Kind(Enum):
    """Why a character is left out: its description (singular, plural), and the reason."""

    CONTROL = ("control or invisible character", "control or invisible characters", "they stand for nothing")
    SYMBOL = ("emoji or symbol", "emoji or symbols", "there is no sign for them")
    SCRIPT = ("letter of another script", "letters of other scripts", "only the Latin letters a to z can be spelled")
    UNREADABLE = ("letter of another script", "letters of other scripts", "the model's text encoder cannot read them")


@lru_cache(1024)
def kind(char: str) -> Kind | None:
    """None for characters that only modify the one beside them: accents, joiners, variation selectors, flag tags."""
    category = unicodedata.category(char)
    if category[0] == "M" or char in "\u00ad\u200c\u200d" or "\U000e0020" <= char <= "\U000e007f":
        return None
    if category in ("Cc", "Cf", "Cs", "Co"):
        return Kind.CONTROL
    return Kind.SCRIPT if category[0] in "LN" else Kind.SYMBOL


class Omissions:
    """Counts and a few examples of what was left out: small whatever the length of the text."""

    def __init__(self) -> None:
        self._totals: Counter[Kind] = Counter()
        self._examples: dict[Kind, list[str]] = {each: [] for each in Kind}
        self.letters: Counter[str] = Counter()
        """Letters of spelled words that the vocabulary has no sign for, with their counts."""
        self.markup = Faults()
        """What is wrong with the tags."""
        self._choices: Counter[str] = Counter()

    def choose(self, why: str) -> None:
        """Count an alternative that was asked for and does not exist."""
        self._choices[why if why in self._choices or len(self._choices) < _MOST_CHOICES else _MORE] += 1

    def add(self, char: str, kind: Kind, count: int) -> None:
        """Count ``count`` more occurrences of a character."""
        self._totals[kind] += count
        examples = self._examples[kind]
        if len(examples) <= _SHOWN and char not in examples:
            examples.append(char)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of omission so far, and for each kind of fault in the markup."""
        lines = []
        for each in Kind:
            if total := self._totals[each]:
                one, many, reason = each.value
                examples = self._examples[each]
                shown = ", ".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in examples[:_SHOWN])
                more = ", …" if len(examples) > _SHOWN else ""
                lines.append(f"left out {total} {one if total == 1 else many} ({shown}{more}): {reason}")
        if self.letters:
            shown = ", ".join(f"{letter} ({count}x)" for letter, count in sorted(self.letters.items()))
            lines.append(f"left out letters of spelled words that the vocabulary has no sign for: {shown}")
        lines += [f"{why} ({count}x)" if count > 1 else why for why, count in self._choices.items()]
        return (*lines, *self.markup.warnings)
