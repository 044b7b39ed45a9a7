"""Sentences of a grammar: English texts and the signs that they mean, drawn at random or found for a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from text2sign_ros.corpora.base import SPLITS, CorpusError, Unit
from text2sign_ros.corpora.grammar import (
    Choice,
    Filler,
    Grammar,
    Literal,
    Part,
    Pattern,
    Saying,
    Sign,
    Slot,
    Wording,
    article,
    plain,
)

UNSEEN = ("wording", "synonym", "both", "pattern")
"""What a test sentence has that training never read: its wording, a word for a sign, both, or all of its pattern."""
_ALONE = 0.5
"""Share of texts of one sentence."""
_LOWER = 0.2
"""Share of texts in lower case without punctuation, as speech recognition writes them."""
_IN_FULL = 0.3
"""Share of contractions that are written in full."""

_BINDING = ("I", "you", "it", "they", "been", "got")
"""Words before which a contraction is not written in full: "don't you?", "it's been"."""

_CAPITAL = re.compile(r"I\b|[A-Z]{2}|God\b|August\b")
"""Words at the beginning of a wording with a capital anywhere; those of slots are as in the grammar."""

Span = tuple[int, int] | None


@dataclass(frozen=True)
class Meant:
    """A sign of a sentence, and where the text says it.

    Attributes:
        sign: the sign or the spelled word.
        span: (start, stop) characters of the text; None where no words can be named.
    """

    sign: Sign
    span: Span = None


@dataclass(frozen=True)
class Pair:
    """A text and what it means.

    Attributes:
        text: English, as typed.
        meant: signs in the order of ASL.
        patterns, wordings: names of those that it is made of, in order.
        starts: the character of the text at which each of them starts.
        counts: how many of ``meant`` each of the patterns has.
        faces: markers of head and brows of each of the patterns.
        unseen: one of ``UNSEEN``; "" if training may have read all of it.
    """

    text: str
    meant: tuple[Meant, ...]
    patterns: tuple[str, ...]
    wordings: tuple[str, ...]
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    faces: tuple[frozenset[str], ...]
    unseen: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the signs, a spelled word as one: ("hello", "fs:grace")."""
        return tuple(meant.sign.name for meant in self.meant)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The signs and letters, in order."""
        return tuple(unit for meant in self.meant for unit in meant.sign.units)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where the text says each of ``units``; a letter of a word that is written as it is spelled has its own."""
        found: list[Span] = []
        for meant in self.meant:
            letters = meant.sign.spelled and [unit.label for unit in meant.sign.units]
            if letters and meant.span and list(self.text[slice(*meant.span)].lower()) == letters:
                found += [(at, at + 1) for at in range(*meant.span)]
            else:
                found += [meant.span] * len(meant.sign.units)
        return tuple(found)

    @property
    def face_units(self) -> tuple[tuple[frozenset[str], int], ...]:
        """Markers of each of the patterns, and how many of ``units`` it has."""
        found, at = [], 0
        for face, count in zip(self.faces, self.counts, strict=True):
            found.append((face, sum(len(meant.sign.units) for meant in self.meant[at : at + count])))
            at += count
        return tuple(found)

    @property
    def sentences(self) -> tuple[tuple[int, int, int], ...]:
        """(start, stop) characters of each sentence, and how many of ``units`` it has: a model signs one at a time.

        A sentence ends with a full stop, a question or an exclamation mark, as ``text.SentenceSegmenter`` has it.
        """
        found: list[tuple[int, int, int]] = []
        for start, (_, count) in zip(self.starts, self.face_units, strict=True):
            before = self.text[:start].rstrip()
            if not found or before[-1:] in (".", "!", "?"):
                found.append((start, len(self.text), count))
                if len(found) > 1:
                    found[-2] = (found[-2][0], len(before), found[-2][2])
            else:
                found[-1] = (found[-1][0], len(self.text), found[-1][2] + count)
        return tuple(found)


@dataclass(frozen=True)
class _Said:
    """A piece of a text: a literal word, or the words for a slot (``key``) by one of its fillers."""

    text: str
    key: str = ""
    filler: Filler | None = None


class Expansion:
    """Draws sentences from a grammar; what is drawn depends on the arguments and the generator alone.

    ``train`` reads only wordings and synonyms for training; ``val`` and ``test`` have those held out for them.
    """

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar

    def pairs(self, split: str, count: int, seed: int, *, unseen: str = "") -> Iterator[Pair]:
        """``count`` random pairs of a split, duplicates included.

        Args:
            split: one of ``base.SPLITS``.
            unseen: for "test" and "val", what each sentence is to have that training never read; "" is any of
                ``UNSEEN``, as often each.

        Raises:
            CorpusError: nothing in the grammar is held out in that way.
        """
        rng = np.random.default_rng((seed, *split.encode(), *unseen.encode()))
        for _ in range(count):
            kinds = [kind for kind in ([unseen] if unseen else UNSEEN) if self._patterns(split, kind)]
            if split != "train" and not kinds:
                raise CorpusError(
                    f"the grammar holds out no {unseen or 'words'} for {split}: add wordings, or raise held_out"
                )
            yield self._text(split, "" if split == "train" else kinds[rng.integers(len(kinds))], rng)

    @cached_property
    def _by_split(self) -> dict[tuple[str, str, str], list[tuple[Pattern, tuple[Wording, ...]]]]:
        return {}

    def _patterns(self, split: str, unseen: str, place: str = "") -> list[tuple[Pattern, tuple[Wording, ...]]]:
        """The patterns for sentences of a split, with the wordings that may be used; "" is any place."""
        if (split, unseen, place) not in self._by_split:
            wanted = split if unseen in ("wording", "both") else "test" if unseen == "pattern" else "train"
            found = []
            for pattern in self.grammar.patterns:
                wordings = tuple(w for w in pattern.wordings if w.split == wanted)
                if unseen in ("synonym", "both"):
                    wordings = tuple(w for w in wordings if self._has(w.parts, split))
                fits = split == "test" and pattern.held_out if unseen == "pattern" else not pattern.held_out
                if wordings and fits and place in ("", pattern.place):
                    found.append((pattern, wordings))
            self._by_split[split, unseen, place] = found
        return self._by_split[split, unseen, place]

    def _has(self, sequence: Sequence[Part], split: str) -> bool:
        """Whether a signed slot that is always said has a synonym of the split."""
        fillers = (f for part in sequence if isinstance(part, Slot) for f in self.grammar.slots[part.name])
        return any(filler.signs and _of(filler, split) and len(filler.sayings) > 1 for filler in fillers)

    def _text(self, split: str, unseen: str, rng: np.random.Generator) -> Pair:
        patterns = self._patterns(split, unseen)
        if rng.random() < _ALONE:
            chosen = [patterns[rng.integers(len(patterns))]]
        else:
            order = ["open"] * (rng.random() < 0.5) + ["any"] * (1 + int(rng.random() < 0.4))
            order += ["close"] * (len(order) == 1 or rng.random() < 0.4)
            places = [own for place in order if (own := self._patterns(split, unseen, place))]
            chosen = [own[rng.integers(len(own))] for own in places]
            chosen = chosen or [patterns[rng.integers(len(patterns))]]
        pairs = [
            self._sentence(pattern, wordings[rng.integers(len(wordings))], split, unseen, rng)
            for pattern, wordings in chosen
        ]
        pair = _joined(pairs, rng)
        return _lower(pair) if rng.random() < _LOWER else pair

    def _sentence(self, pattern: Pattern, wording: Wording, split: str, unseen: str, rng: np.random.Generator) -> Pair:
        keys = {slot.key for slot in pattern.signs if isinstance(slot, Slot)}
        fillers: dict[str, Filler] = {}
        forced = ""  # a slot that must have a held-out synonym
        if unseen in ("synonym", "both"):
            slots = [part for part in wording.parts if isinstance(part, Slot) and part.key in keys]
            able = [
                s.key for s in slots if any(len(f.sayings) > 1 and _of(f, split) for f in self.grammar.slots[s.name])
            ]
            forced = able[rng.integers(len(able))]
        for key in sorted(keys):
            fillers[key] = self._filler(key, split, key == forced, fillers, rng)
        said = list(self._realised(wording.parts, fillers, split, forced, rng))
        text, where = _written(said, self.grammar.contractions, rng)
        return _pair(pattern, wording, text, where, fillers, unseen)

    def _filler(
        self, key: str, split: str, forced: bool, others: dict[str, Filler], rng: np.random.Generator
    ) -> Filler:
        place = (Slot(key).name, split, forced)
        if place not in self._allowed:
            self._allowed[place] = [f for f in self.grammar.slots[Slot(key).name] if _allowed(f, split, forced)]
        every = self._allowed[place]
        taken = [other for name, other in others.items() if Slot(name).name == Slot(key).name]
        free = [filler for filler in every if filler not in taken] or every
        return free[rng.integers(len(free))]

    @cached_property
    def _allowed(self) -> dict[tuple[str, str, bool], list[Filler]]:
        """What may stand in a slot, by its name, the split, and whether it must have a held-out synonym."""
        return {}

    def _realised(
        self, sequence: Sequence[Part], fillers: dict[str, Filler], split: str, forced: str, rng: np.random.Generator
    ) -> Iterator[_Said]:
        for part in sequence:
            if isinstance(part, Literal):
                yield _Said(part.text)
            elif isinstance(part, Choice):
                option = part.options[rng.integers(len(part.options))]
                yield from self._realised(option, fillers, split, forced, rng)
            else:
                filler = fillers.get(part.key) or self._filler(part.key, split, False, {}, rng)
                sayings = _sayings(filler, split, part.key == forced)
                yield _Said(sayings[rng.integers(len(sayings))].form(part.form), part.key, filler)

    def count(self, splits: Sequence[str] = ("train", "val", "test")) -> int:
        """How many sentences of one pattern there are, typing apart."""
        return sum(
            self._possible(wording.parts, splits)
            for pattern in self.grammar.patterns
            for wording in pattern.wordings
            if wording.split in splits
        )

    def _possible(self, sequence: Sequence[Part], splits: Sequence[str]) -> int:
        total = 1
        for part in sequence:
            if isinstance(part, Choice):
                total *= sum(self._possible(option, splits) for option in part.options)
            elif isinstance(part, Slot):
                sayings = [s for filler in self.grammar.slots[part.name] for s in filler.sayings]
                total *= max(1, sum(s.split in (*splits, "train") for s in sayings))
        return total

    def meaning(self, text: str) -> Pair | None:
        """What a text means, if the grammar has it: by the fewest patterns, the earlier ones first; else None."""
        words = _words(text, self._contracted)
        best: list[tuple[int, list[tuple[Pattern, Wording, dict[str, tuple[Filler, Span]], int, int]]] | None]
        best = [None] * (len(words) + 1)
        best[0] = (0, [])
        for at in range(len(words)):
            before = best[at]
            if before is None:
                continue
            for pattern in self.grammar.patterns:
                for wording in pattern.wordings:
                    for stop, found in self._match(wording.parts, words, at, {}):
                        known = best[stop]
                        if stop > at and (known is None or known[0] > before[0] + 1):
                            best[stop] = (before[0] + 1, [*before[1], (pattern, wording, found, at, stop)])
        last = best[len(words)]
        if last is None or not words:
            return None
        pairs = []
        for pattern, wording, found, at, stop in last[1]:
            where = [(key, span) for key, (_, span) in found.items()]
            part = (words[at][1], words[stop - 1][2])
            pairs.append(_pair(pattern, wording, text, where, {k: f for k, (f, _) in found.items()}, "", part))
        return _together(text, pairs, "")

    @cached_property
    def _contracted(self) -> dict[str, list[str]]:
        return {plain(short): plain(full).split() for short, full in self.grammar.contractions.items()}

    @cached_property
    def _known(self) -> dict[Slot, dict[tuple[str, ...], Filler]]:
        return {}

    def _options(self, slot: Slot) -> dict[tuple[str, ...], Filler]:
        """The fillers of a slot by the words for them."""
        slot = replace(slot, key=slot.name)
        if slot not in self._known:
            self._known[slot] = {
                tuple(word for word, *_ in _words(saying.form(slot.form), self._contracted)): filler
                for filler in reversed(self.grammar.slots[slot.name])
                for saying in filler.sayings
            }
        return self._known[slot]

    def _match(
        self,
        sequence: Sequence[Part],
        words: list[tuple[str, int, int]],
        at: int,
        found: dict[str, tuple[Filler, Span]],
    ) -> Iterator[tuple[int, dict[str, tuple[Filler, Span]]]]:
        """Where ``sequence`` can end if it starts at word ``at``, and what its slots are then."""
        if not sequence:
            yield at, found
            return
        part, rest = sequence[0], sequence[1:]
        if isinstance(part, Literal):
            own = [word for word, *_ in _words(part.text.replace("(n)", ""), self._contracted)]
            there = [word for word, *_ in words[at : at + len(own)]]
            if there == own or (own == ["a"] and there == ["an"]):
                yield from self._match(rest, words, at + len(own), found)
        elif isinstance(part, Choice):
            for option in part.options:
                yield from self._match((*option, *rest), words, at, found)
        else:
            options = self._options(part)
            for length in sorted({len(said) for said in options}, reverse=True):
                filler = options.get(tuple(word for word, *_ in words[at : at + length]))
                if filler and found.get(part.key, (filler,))[0] == filler and at + length <= len(words):
                    span = (words[at][1], words[at + length - 1][2])
                    yield from self._match(rest, words, at + length, {**found, part.key: (filler, span)})


def _of(filler: Filler, split: str) -> bool:
    return any(saying.split == split for saying in filler.sayings)


def _allowed(filler: Filler, split: str, forced: bool) -> bool:
    if forced:
        return len(filler.sayings) > 1 and _of(filler, split)
    return any(saying.split in ("train", split) for saying in filler.sayings)


def _sayings(filler: Filler, split: str, forced: bool) -> list[Saying]:
    """Those that a split may read: held-out synonyms only where asked for (``forced``), held-out names anywhere."""
    if forced:
        return [saying for saying in filler.sayings if saying.split == split]
    known = [saying for saying in filler.sayings if saying.split == "train"]
    return known or [saying for saying in filler.sayings if saying.split == split]


def _written(
    said: Sequence[_Said], contractions: Mapping[str, str], rng: np.random.Generator
) -> tuple[str, list[tuple[str, Span]]]:
    """The text as it stands in the middle of a sentence, and (key, span) of each slot in it."""
    pieces = []
    for number, piece in enumerate(said):
        full = contractions.get(piece.text) if not piece.key else None
        bound = full and number + 1 < len(said) and said[number + 1].text in _BINDING
        pieces.append(replace(piece, text=full) if full and not bound and rng.random() < _IN_FULL else piece)
    text = ""
    where: list[tuple[str, Span]] = []
    for number, piece in enumerate(pieces):
        words = piece.text
        if words in ("a(n)", "A(n)"):
            words = article(pieces[number + 1].text) if number + 1 < len(pieces) else "a"
        if text and not re.match("[,.!?;:']", words):
            text += " "
        start = len(text)
        text += words
        if piece.key:
            where.append((piece.key, (start, len(text))))
    if text and text[-1] not in ".!?":
        text += "."
    if not pieces[0].key and not _CAPITAL.match(text):
        text = text[:1].lower() + text[1:]
    return text, where


def _pair(
    pattern: Pattern,
    wording: Wording,
    text: str,
    where: Sequence[tuple[str, Span]],
    fillers: dict[str, Filler],
    unseen: str,
    within: tuple[int, int] | None = None,
) -> Pair:
    """The signs of a pattern in ``text``; ``within`` are the characters that the pattern's words take."""
    spans = dict(where)
    first, last = within or (0, len(text))
    meant: list[Meant] = []
    for sign in pattern.signs:
        if isinstance(sign, Sign):
            label = sign.name.removeprefix("fs:").partition(" (")[0]
            found = re.search(rf"\b{re.escape(label)}\b", text[first:last], re.IGNORECASE)
            meant.append(Meant(sign, (first + found.start(), first + found.end()) if found else None))
        else:
            meant += [Meant(own, spans.get(sign.key)) for own in fillers[sign.key].signs]
    return Pair(
        text, tuple(meant), (pattern.name,), (wording.name,), (first,), (len(meant),), (pattern.markers,), unseen
    )


def _joined(pairs: Sequence[Pair], rng: np.random.Generator) -> Pair:
    """The texts one after another; a statement may end in a comma."""
    text, moved = "", []
    for number, pair in enumerate(pairs):
        own = pair.text
        if text:
            if text[-1] == "." and rng.random() < 0.3 and len(pairs[number - 1].text) < 40:
                text = text[:-1] + ","
            text += " "
        if not text.endswith(", "):
            own = own[:1].upper() + own[1:]
        by = len(text)
        text += own
        moved.append(
            replace(
                pair,
                starts=(by,),
                meant=tuple(replace(m, span=m.span and (m.span[0] + by, m.span[1] + by)) for m in pair.meant),
            )
        )
    return _together(text, moved, pairs[0].unseen)


def _together(text: str, pairs: Sequence[Pair], unseen: str) -> Pair:
    return Pair(
        text,
        tuple(meant for pair in pairs for meant in pair.meant),
        tuple(name for pair in pairs for name in pair.patterns),
        tuple(name for pair in pairs for name in pair.wordings),
        tuple(start for pair in pairs for start in pair.starts),
        tuple(count for pair in pairs for count in pair.counts),
        tuple(face for pair in pairs for face in pair.faces),
        unseen,
    )


def _lower(pair: Pair) -> Pair:
    """The text in lower case without punctuation, with its spans."""
    kept = [at for at, char in enumerate(pair.text) if char not in ",.!?;:"]
    place = np.searchsorted(kept, np.arange(len(pair.text) + 1))
    meant = tuple(replace(m, span=m.span and (int(place[m.span[0]]), int(place[m.span[1]]))) for m in pair.meant)
    starts = tuple(int(place[start]) for start in pair.starts)
    return replace(pair, text="".join(pair.text[at] for at in kept).lower(), meant=meant, starts=starts)


def _words(text: str, contracted: dict[str, list[str]]) -> list[tuple[str, int, int]]:
    """(word, start, stop) of a text, contractions written in full; 's stands by itself."""
    found = []
    for match in re.finditer(r"[A-Za-z0-9$]+(?:'[A-Za-z]+)*|'[a-z]+", text.replace("’", "'")):
        word = match[0].lower()
        stem, mark, _ = word.rpartition("'s")
        parts = contracted.get(word) or ([stem, "'s"] if mark and stem else [word])
        found += [(part, match.start(), match.end()) for part in parts]
    return found


def summary(expansion: Expansion, signs: Collection[str], *, sample: int, seed: int) -> dict[str, Any]:
    """What a grammar holds, in numbers.

    Args:
        signs: names of all signs that there are.
        sample: how many random texts of each split lengths are counted in (signs, a spelled word counted as one).
    """
    grammar = expansion.grammar
    wordings = [wording for pattern in grammar.patterns for wording in pattern.wordings]
    sayings = {(name, s.singular): s.split for name, own in grammar.slots.items() for f in own for s in f.sayings}
    lengths = {}
    for split in SPLITS:
        counted = Counter(len(pair.meant) for pair in expansion.pairs(split, sample, seed))
        lengths[split] = {length: counted[length] for length in sorted(counted)}
    return {
        "patterns": len(grammar.patterns),
        "patterns_held_out": sum(pattern.held_out for pattern in grammar.patterns),
        "patterns_by_topic": dict(Counter(pattern.topic for pattern in grammar.patterns)),
        "wordings": len(wordings),
        "wordings_by_split": dict(Counter(wording.split for wording in wordings)),
        "words_by_split": dict(Counter(sayings.values())),
        "sentences": expansion.count(),
        "signs": len(grammar.signs),
        "signs_unused": len(set(signs) - grammar.signs),
        "lengths": lengths,
    }
