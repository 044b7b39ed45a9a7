"""Inflected forms of a vocabulary's English words, from simplemma's dictionary, so that a robot needs no lemmatiser."""

from __future__ import annotations

import re
from collections.abc import Iterable

from simplemma.strategies import DefaultDictionaryFactory

# simplemma leads "us" to "we", "those" to "that", "cans" to "can". What words of grammar are signed as is no matter of
# inflection, and ASL has no copula.
_GRAMMAR = """
a am an and any are as at be been being but by can could did do does down each every for from had has have he her here
hers him his how i if in into is it its may me might mine must my near no nor not of off on onto or our ours out over
shall she should since so some than that the thee their theirs them then there these they this those thou through till
to too until up upon us was we well were what when where whether which while who whom whose why will with without would
yes you your yours
"""
_OTHER_WORDS = """
archer bedding best better building bunting bushing capping christening coating cola colas evening glasses hearing less
lining lodging media meeting more morning most please pleased pleases pleasing stocking thing wedding worse worst
"""
"""Words that are spelled like forms of others, or have come to mean something else."""
_COMPARATIVES = frozenset(("cleaner", "closer", "cooler", "dimmer", "fitter", "hotter"))
"""Of the words that simplemma keeps apart because they are nouns too, and whose adjective is also a verb."""
_UNINFLECTED = frozenset(_GRAMMAR.split() + _OTHER_WORDS.split())
"""Neither forms nor words with forms."""
_SHORTEST = 3
"""Letters of the shortest form: shorter ones in the dictionary are abbreviations and dialect."""


def inflections(signs: Iterable[str]) -> dict[str, str]:
    """Form -> word, for all words of ``signs`` in alphabetical order: "cats" -> "cat", "bought" -> "buy".

    Of words that simplemma keeps apart some are added: "-ing" of a verb (it has "baking" as a noun), "-er" of an
    adjective ("bigger", "closer"), and the singular of a plural ("berry" -> "berries").
    """
    words = {word for sign in signs for word in sign.split()} - _UNINFLECTED
    dictionary = DefaultDictionaryFactory().get_dictionary("en")
    found = {form: word for form, word in dictionary.items() if word in words and form != word}
    has = set(found.items())
    for word in sorted(words):
        verb, adjective = (any((form, word) in has for form in _with(word, end)) for end in ("ed", "est"))
        added = _with(word, "ing") if verb else []
        if adjective:  # of a verb "-er" is who does it: "cleaner" is both, "broker" is not
            added += [form for form in _with(word, "er") if not verb or form in _COMPARATIVES]
        found |= {form: word for form in added if dictionary.get(form) == form}
        singular = dictionary.get(word, word)
        if word.endswith("s") and singular[:2] == word[:2] and singular not in words:
            found[singular] = word
    return {
        form: found[form]
        for form in sorted(found.keys() - _UNINFLECTED)
        if re.fullmatch(f"[a-z]{{{_SHORTEST},}}", form)
    }


def _with(word: str, ending: str) -> list[str]:
    """The ways in which English may spell a word with an ending that starts with a vowel."""
    if word.endswith("e"):
        return [word[:-1] + ending]
    if re.search("[^aeiou]y$", word) and ending != "ing":
        return [word[:-1] + "i" + ending]
    doubled = re.search("[aeiou][bdgklmnprtvz]$", word)
    return [word + ending, *([word + word[-1] + ending] if doubled else [])]
