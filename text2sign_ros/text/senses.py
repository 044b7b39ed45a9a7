"""Senses: which of several signs of a word fits its sentence, by the text encoder's embedding."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from text2sign_ros.naming import named
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.normalise import Word
from text2sign_ros.text.segments import in_sentences
from text2sign_ros.text.units import Vocabulary

MARGIN = 0.0
"""By how much the cosine of a sentence with a sense must exceed that with the word alone (experiments/senses.py)."""
_REACH = 15
"""Words to either side of a word that its sentence is shortened to."""
_LONGEST = 30
"""Letters of the longest word that counts."""
_FORMS = {
    *("alt", "alternative", "archaic", "archiac", "combined", "eng", "ext", "extended", "fs", "h", "hand", "handed"),
    *("old", "one", "onehanded", "other", "short", "two", "var", "variant"),
}
"""Words in the name of an alternative that say how a sign is made, or when; a name with one of them is no sense."""


class Senses:
    """Chooses among the default of a sign and its senses: the alternatives whose names say what they mean.

    The sentence is compared with the names ("bear (animal)") and the text ("bear"), all as embeddings of unit length.
    How often that is right is measured by ``experiments/senses.py`` and reported in docs/results.md.

    Args:
        vocabulary: of the model.
        embed: returns sentence embeddings (B, D) of unit length of B texts, see ``encoder.TextEmbedding``.
    """

    def __init__(self, vocabulary: Vocabulary, embed: Callable[[Sequence[str]], np.ndarray]) -> None:
        self._embed = embed
        self._senses = {sign: senses for sign, all_ in vocabulary.alternatives.items() if (senses := _meanings(all_))}
        self._forms = vocabulary.forms

    def __bool__(self) -> bool:
        """Whether there is anything to choose from."""
        return bool(self._senses)

    @cached_property
    def _starts(self) -> frozenset[str]:
        """The words that begin the signs to choose for."""
        return frozenset(sign.split()[0] for sign in self._senses)

    def informed(self, words: Iterable[Word]) -> Iterator[Word]:
        """The words, those that may need it with their sentence as ``Word.context``.

        None has it in a sentence longer than ``markup.LOOKAHEAD``.
        """
        for held, whole in in_sentences(words):
            where = [i for i, word in enumerate(held) if self._may_start(word)] if whole else []
            if where:
                texts = [word.text if len(word.text) <= _LONGEST else "" for word in held]
                for i in where:
                    near = texts[max(i - _REACH, 0) : i + _REACH + 1]
                    held[i] = replace(held[i], context=" ".join(filter(None, near)))
            yield from held

    def _may_start(self, word: Word) -> bool:
        return word.text in self._starts or self._forms.get(word.text) in self._starts

    def choose(self, sign: str, context: str) -> str:
        """The alternative of a sign that fits the context; "" is the default."""
        senses = self._senses.get(sign)
        if not senses or not context:
            return ""
        try:
            sentence, default, *others = self._embed([context, sign, *(named(sign, sense) for sense in senses)])
        except TextError:  # more tokens than the model takes
            return ""
        gains = np.array(others) @ sentence - default @ sentence
        best = int(gains.argmax())
        return senses[best] if gains[best] > MARGIN else ""


def _meanings(alternatives: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in alternatives if not _FORMS & set(name.split()) and not re.search("[0-9]", name))
