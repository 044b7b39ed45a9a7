"""The grammar of a corpus of meaning: English as people say it -> signs in the order of ASL, read from a YAML file.

``config/grammar/asl.yaml`` explains how to write one. Its parts are *slots*, classes of signs with the English
words for each, and *patterns*, each a sequence of signs with several *wordings*. ``expansion`` makes sentences of them.

What is held out for testing is decided here, by a hash of the words themselves, so that it stays as it is when a line
is added elsewhere: a share of the patterns, a share of the wordings of each other pattern, and a share of the synonyms
of each sign. The first wording of a pattern and the first word for a sign are always for training.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from text2sign_ros.corpora.base import CorpusError, Kind, Unit
from text2sign_ros.motion.nonmanual import EXPRESSIONS
from text2sign_ros.naming import parts

PLACES = ("any", "open", "close")
"""Where a pattern stands in a text of several sentences: wherever, at its beginning, or at its end."""
FORMS = ("", "a", "any", "the", "s", "ing", "ed")
"""How a slot can be written: <drink>, <a drink> (a coffee, some water), <any drink>, <s drink>, <ing action>, …"""
NOTHING = "(nothing)"
"""Stands in a slot for words that are not signed, such as "um"."""
ALSO = "(also)"
"""Takes the fillers of other slots into a slot."""


class GrammarError(CorpusError):
    """A grammar has a fault; the message names file, line and pattern, and says how to mend it."""


@dataclass(frozen=True)
class Sign:
    """A sign, or a word that is spelled.

    Attributes:
        units: one sign, or the letters of a word.
    """

    units: tuple[Unit, ...]

    @property
    def spelled(self) -> bool:
        return self.units[0].kind == Kind.LETTER

    @property
    def name(self) -> str:
        """The sign's name ("alert (person)"), or "fs:" and the spelled word."""
        return f"fs:{''.join(unit.label for unit in self.units)}" if self.spelled else self.units[0].name


@dataclass(frozen=True)
class Saying:
    """English words for something.

    Attributes:
        singular: as the dictionary has it.
        forms: the second and third form, where they are irregular: plural, or -ing and past.
        mass: whether it takes "some" instead of "a": water.
        split: one of ``base.SPLITS``: "train" is used in all of them, "val" and "test" only there.
    """

    singular: str
    forms: tuple[str, ...] = ()
    mass: bool = False
    split: str = "train"

    def form(self, form: str) -> str:
        """The words in one of ``FORMS``."""
        if form == "a":
            return f"some {self.singular}" if self.mass else f"{article(self.singular)} {self.singular}"
        if form == "any":
            return f"any {self.singular}" if self.mass else f"{article(self.singular)} {self.singular}"
        if form == "the":
            return f"the {self.singular}"
        if form == "s":
            return self.singular if self.mass else (self.forms[0] if self.forms else _plural(self.singular))
        if form in ("ing", "ed"):
            given = self.forms[0 if form == "ing" else 1 :][:1]
            return given[0] if given else _inflected(self.singular, form)
        return self.singular


@dataclass(frozen=True)
class Filler:
    """What can stand in a slot: signs, in order, and the words for them; no signs for what is left unsigned."""

    signs: tuple[Sign, ...]
    sayings: tuple[Saying, ...]


@dataclass(frozen=True)
class Literal:
    """A word of a wording, or punctuation, as written."""

    text: str


@dataclass(frozen=True)
class Slot:
    """A place in a wording or among the signs of a pattern: ``key`` is its name, with a digit where it occurs twice."""

    key: str
    form: str = ""

    @property
    def name(self) -> str:
        return self.key.rstrip("0123456789")


@dataclass(frozen=True)
class Choice:
    """One of several sequences, of which one may be empty."""

    options: tuple[tuple[Part, ...], ...]


Part = Literal | Slot | Choice


@dataclass(frozen=True)
class Wording:
    """One way to say a pattern.

    Attributes:
        name: unique: "order/3", from the pattern and its number.
        text: as it stands in the file.
        parts: what it consists of.
        split: one of ``base.SPLITS``.
    """

    name: str
    text: str
    parts: tuple[Part, ...]
    split: str


@dataclass(frozen=True)
class Pattern:
    """A meaning.

    Attributes:
        name, topic: from the file.
        signs: in the order of ASL.
        wordings: ways to say it in English.
        markers: of head and brows, see ``motion.nonmanual.EXPRESSIONS``.
        place: one of ``PLACES``.
        rules: names of the rules of grammar that its order follows.
        held_out: whether all of it is for testing.
    """

    name: str
    topic: str
    signs: tuple[Sign | Slot, ...]
    wordings: tuple[Wording, ...]
    markers: frozenset[str]
    place: str
    rules: tuple[str, ...]
    held_out: bool


@dataclass(frozen=True)
class Grammar:
    """See the module.

    Attributes:
        patterns: in the order of the file.
        slots: fillers by the name of the slot.
        contractions: "I'm" -> "I am": both are said.
        sources, rules: what the file says of them.
        missing: signs that the grammar would need most and the vocabulary lacks, and what for.
    """

    patterns: tuple[Pattern, ...]
    slots: Mapping[str, tuple[Filler, ...]]
    contractions: Mapping[str, str]
    sources: Mapping[str, str]
    rules: Mapping[str, str]
    missing: Mapping[str, str]

    @cached_property
    def signs(self) -> frozenset[str]:
        """Names of all signs that a sentence can have."""
        own = [sign for pattern in self.patterns for sign in pattern.signs if isinstance(sign, Sign)]
        used = {slot.name for pattern in self.patterns for slot in pattern.signs if isinstance(slot, Slot)}
        own += [sign for name in used for filler in self.slots[name] for sign in filler.signs]
        return frozenset(sign.name for sign in own if not sign.spelled)


def read(path: str | Path, signs: Collection[str]) -> Grammar:
    """Read a grammar and check it.

    Args:
        path: the file.
        signs: names of the signs that there are (``base.Unit.name``); letters are always there.

    Raises:
        GrammarError: the file can't be read, or has a fault; the message lists up to ten of them.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GrammarError(f"{path} can't be read as YAML: {error}") from error
    return _Reading(str(path), frozenset(signs)).grammar(content)


def article(words: str) -> str:
    """ "a" or "an"."""
    return "an" if re.match(r"[aeio]|u(?!n[ia]|s[aeiu]|k)|hour|honest", words.lower()) else "a"


def plain(text: str) -> str:
    """Lower case, without punctuation, one space between words: by this equal texts are recognised."""
    return " ".join(re.findall(r"[a-z0-9$']+", text.lower()))


def _with_slots(wording: str) -> str:
    """``plain``, with the slots in their brackets."""
    return " ".join(re.findall(r"[a-z0-9$'<>_]+", wording.lower()))


class _Line(str):
    """A text of the file that knows its line."""

    line: int = 0


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the latter takes 3 s
    """Every scalar is a text: NO is the sign, not false."""


def _located(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> _Line:
    text = _Line(loader.construct_scalar(node))
    text.line = node.start_mark.line + 1
    return text


def _unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in node.value:
        name = loader.construct_object(key, deep=True)
        if name in found:
            raise yaml.MarkedYAMLError(problem=f"{name} occurs twice; keep one", problem_mark=key.start_mark)
        found[name] = loader.construct_object(value, deep=True)
    return found


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:str", _located)
_Loader.add_constructor("tag:yaml.org,2002:map", _unique)

_KEYS = {"about", "held_out", "sources", "rules", "missing", "contractions", "slots", "patterns"}
_PATTERN_KEYS = {"asl", "english", "face", "place", "rules"}
_GLOSS = re.compile(r"(?P<label>[A-Z]+(?:-[A-Z]+)*)(?:\((?P<alternative>[a-z0-9]+(?:-[a-z0-9]+)*)\))?")
_MOST_FAULTS = 10


@dataclass
class _Reading:
    """Collects the faults of one file."""

    path: str
    known: frozenset[str]
    faults: list[str] = field(default_factory=list)
    contractions: dict[str, str] = field(default_factory=dict)

    def fault(self, at: object, what: str) -> None:
        line = getattr(at, "line", 0)
        self.faults.append(f"line {line}: {what}" if line else what)

    def grammar(self, content: Any) -> Grammar:
        if not isinstance(content, dict) or not {"slots", "patterns", "held_out"} <= content.keys():
            raise GrammarError(f"{self.path} must be a mapping with the keys slots, patterns and held_out")
        for key in content.keys() - _KEYS:
            self.fault(key, f"unknown key {key!r}; known are {', '.join(sorted(_KEYS))}")
        shares, contractions = self._shares(content["held_out"]), _texts(content, "contractions")
        self.contractions = {plain(short): plain(full) for short, full in contractions.items()}
        rules = self._rules(content)
        slots: dict[str, tuple[Filler, ...]] = {}
        for name, value in self._items(content["slots"], "slots"):
            slots[str(name)] = self._slot(name, value, slots)
        patterns = []
        for topic, entries in self._items(content["patterns"], "patterns"):
            for name, entry in self._items(entries, topic):
                patterns += self._pattern(topic, name, entry, slots, rules, shares)
        for name, count in Counter(pattern.name for pattern in patterns).items():
            if count > 1:
                self.faults.append(f"pattern {name}: there are {count} of this name; give each its own")
        if self.faults:
            more = len(self.faults) - _MOST_FAULTS
            shown = self.faults[:_MOST_FAULTS] + ([f"and {more} more"] if more > 0 else [])
            raise GrammarError(f"{self.path}:\n  " + "\n  ".join(shown))
        return Grammar(
            tuple(patterns), _held_out(slots, patterns, contractions, shares), contractions,
            _texts(content, "sources"), rules, _texts(content, "missing"),
        )  # fmt: skip

    def _items(self, value: Any, where: str) -> Iterator[tuple[Any, Any]]:
        if isinstance(value, dict):
            yield from value.items()
        else:
            self.fault(where, f"{where}: must be a mapping of names")

    def _shares(self, value: Any) -> dict[str, float]:
        shares = {"patterns": 0.0, "test": 0.0, "val": 0.0}
        for key, share in self._items(value, "held_out"):
            if key in shares and re.fullmatch(r"0|0?\.\d+", str(share)):
                shares[str(key)] = float(share)
            else:
                self.fault(key, f"held_out: {key}: {share}: write patterns, test and val, each a share from 0 to 1")
        return shares

    def _rules(self, content: Any) -> dict[str, str]:
        sources, rules = content.get("sources", {}), {}
        for name, entry in self._items(content.get("rules", {}), "rules"):
            if not isinstance(entry, dict) or entry.keys() != {"says", "from"}:
                self.fault(name, f"rule {name}: needs the keys says and from (the name of one or more sources)")
                continue
            for source in str(entry["from"]).split(", "):
                if source not in sources:
                    self.fault(name, f"rule {name}: there is no source {source!r}; add it to sources")
            rules[str(name)] = f"{entry['says']} [{entry['from']}]"
        return rules

    def _slot(self, name: Any, value: Any, slots: Mapping[str, tuple[Filler, ...]]) -> tuple[Filler, ...]:
        if not re.fullmatch("[a-z_]+", name):
            self.fault(name, f"slot {name}: its name must be of a to z and _")
        fillers = []
        if isinstance(value, list):  # words that are spelled
            for word in value:
                if not re.fullmatch("[A-Za-z]{2,}", word):
                    self.fault(word, f"slot {name}: {word!r} can't be spelled: write letters a to z only")
                else:
                    fillers.append(Filler((_spelled(word),), (Saying(str(word)),)))
            return tuple(fillers)
        for glosses, sayings in self._items(value, name):
            if glosses == ALSO:
                for other in str(sayings).split(", "):
                    if other not in slots:
                        self.fault(glosses, f"slot {name}: there is no slot {other!r} before it; put it there")
                    fillers += slots.get(other, ())
                continue
            signs = () if glosses == NOTHING else self._signs(glosses, f"slot {name}", ())
            found = [self._saying(name, sayings, text) for text in str(sayings).split(",")]
            fillers.append(Filler(tuple(s for s in signs if isinstance(s, Sign)), tuple(found)))
        return tuple(fillers)

    def _saying(self, name: str, where: Any, text: str) -> Saying:
        forms = [form.strip() for form in text.split("/")]
        mass = forms[0].startswith("~")
        forms[0] = forms[0].removeprefix("~").strip()
        if not all(re.fullmatch(r"[A-Za-z0-9$][A-Za-z0-9$' .-]*", form) for form in forms):
            self.fault(
                where, f"slot {name}: {text.strip()!r}: write words, separated by commas; / between forms of one"
            )
        return Saying(forms[0], tuple(forms[1:]), mass)

    def _signs(self, glosses: Any, where: str, slots: Collection[str]) -> tuple[Sign | Slot, ...]:
        found: list[Sign | Slot] = []
        for gloss in str(glosses).split():
            if slot := re.fullmatch(r"<([a-z_]+\d?)>", gloss):
                if Slot(slot[1]).name not in slots:
                    self.fault(glosses, f"{where}: there is no slot {gloss}; add it to slots")
                found.append(Slot(slot[1]))
            elif match := _GLOSS.fullmatch(gloss):
                label = match["label"].lower()
                if re.fullmatch("[a-z](-[a-z])+", label):
                    found.append(_spelled(label))
                    continue
                alternative = (match["alternative"] or "").replace("-", " ")
                unit = Unit(label.replace("-", " "), Kind.SIGN, alternative)
                if unit.name not in self.known:
                    self.fault(glosses, f"{where}: {gloss}: {self._instead(unit.label)}")
                found.append(Sign((unit,)))
            else:
                self.fault(glosses, f"{where}: {gloss!r} is no gloss: write THANK-YOU, CLOSE(door), W-H-A-T or <slot>")
        return tuple(found)

    def _instead(self, label: str) -> str:
        near = sorted(name for name in self.known if parts(name)[0] == label)
        return f"there is no such sign; of {label!r} there are {', '.join(near) or 'none'}"

    def _pattern(
        self,
        topic: Any,
        name: Any,
        entry: Any,
        slots: Mapping[str, Any],
        rules: Collection[str],
        shares: Mapping[str, float],
    ) -> list[Pattern]:
        where = f"pattern {name}"
        if not isinstance(entry, dict) or not {"asl", "english"} <= entry.keys() <= _PATTERN_KEYS:
            self.fault(name, f"{where}: needs asl and english, and may have face, place and rules")
            return []
        signs = self._signs(entry["asl"], where, slots)
        face = frozenset(str(entry.get("face", "")).replace(",", " ").split())
        if face - EXPRESSIONS.keys():
            self.fault(name, f"{where}: face is {entry['face']!r}; known are {', '.join(EXPRESSIONS)}")
        place = str(entry.get("place", "any"))
        if place not in PLACES:
            self.fault(name, f"{where}: place is {place!r}; it must be one of {', '.join(PLACES)}")
        own = tuple(str(entry.get("rules", "")).replace(",", " ").split())
        for rule in own:
            if rule not in rules:
                self.fault(name, f"{where}: there is no rule {rule!r}; add it to rules, with its source")
        english = entry["english"]
        if not isinstance(english, list) or not english:
            self.fault(name, f"{where}: english must be a list of wordings")
            return []
        held_out = _share(f"pattern {name}") < shares["patterns"]
        wordings: list[Wording] = []
        seen: dict[str, str] = {}
        for number, text in enumerate(english):
            found = self._wording(where, text, slots)
            for run in _runs(found):
                said = " ".join(self.contractions.get(word, word) for word in _with_slots(run).split())
                if seen.setdefault(said, text) is not text:
                    self.fault(text, f"{where}: {text!r} can say the same as {seen[said]!r}; change or remove one")
            wanted = {sign.key for sign in signs if isinstance(sign, Slot)}
            for key in wanted - set(_keys(found, sure=True)):
                self.fault(text, f"{where}: {text!r} lacks <{key}>, which is in asl; write it into the wording")
            for key in set(_keys(found)) - wanted:
                if any(filler.signs for filler in slots.get(Slot(key).name, ())):
                    self.fault(
                        text, f"{where}: {text!r} has <{key}>, which is not in asl; add it there or leave it out"
                    )
            split = "test" if held_out else "train" if number == 0 else _split(f"{name} {_with_slots(text)}", shares)
            wordings.append(Wording(f"{name}/{number}", str(text), found, split))
        return [Pattern(str(name), str(topic), signs, tuple(wordings), face, place, own, held_out)]

    def _wording(self, where: str, text: Any, slots: Collection[str]) -> tuple[Part, ...]:
        tokens = re.findall(r"<[^<>]*>|\b[aA]\(n\)|[()|]|[^\s<>()|]+", text)
        sequence, rest = self._sequence(where, text, tokens, slots)
        if rest:
            self.fault(text, f"{where}: {text!r}: a bracket is closed that was not opened")
        return sequence

    def _sequence(
        self, where: str, text: Any, tokens: list[str], slots: Collection[str]
    ) -> tuple[tuple[Part, ...], list[str]]:
        found: list[Part] = []
        while tokens and tokens[0] not in ("|", ")"):
            token, *tokens = tokens
            if token == "(":
                options = []
                while True:
                    option, tokens = self._sequence(where, text, tokens, slots)
                    options.append(option)
                    if not tokens:
                        self.fault(text, f"{where}: {text!r}: a bracket is not closed")
                        return tuple(found), []
                    mark, *tokens = tokens
                    if mark == ")":
                        break
                found.append(Choice(tuple(options)))
            elif token.startswith("<"):
                *form, key = token[1:-1].split() or [""]
                slot = Slot(key, " ".join(form))
                if slot.name not in slots or slot.form not in FORMS:
                    self.fault(
                        text, f"{where}: {token} in {text!r}: write a slot, perhaps with one of {FORMS[1:]} before it"
                    )
                else:
                    found.append(slot)
            else:
                found += [Literal(part) for part in re.findall(r"[^,.!?;:]+|[,.!?;:]+", token)]
        return tuple(found), tokens


def _texts(content: dict[Any, Any], key: str) -> dict[str, str]:
    return {str(name): str(text) for name, text in content.get(key, {}).items()}


def _keys(sequence: Sequence[Part], *, sure: bool = False) -> Iterator[str]:
    """Keys of the slots; ``sure``: only those that every realisation has."""
    for part in sequence:
        if isinstance(part, Slot):
            yield part.key
        elif isinstance(part, Choice):
            every = [set(_keys(option, sure=sure)) for option in part.options]
            yield from set.intersection(*every) if sure else set.union(*every)


def _spelled(word: str) -> Sign:
    return Sign(tuple(Unit(letter, Kind.LETTER) for letter in re.sub("[^a-z]", "", word.lower())))


def _share(words: str) -> float:
    """From 0 to 1, by a hash."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big") / 2**32


def _split(words: str, shares: Mapping[str, float]) -> str:
    at = _share(words)
    return "test" if at < shares["test"] else "val" if at < shares["test"] + shares["val"] else "train"


def _held_out(
    slots: Mapping[str, tuple[Filler, ...]],
    patterns: Sequence[Pattern],
    contractions: Mapping[str, str],
    shares: Mapping[str, float],
) -> dict[str, tuple[Filler, ...]]:
    """The slots with the split of each saying.

    A synonym that training reads anywhere, as a word of a wording or within another synonym, is not held out. Of words
    that are spelled, each is held out or not by itself.
    """
    read = [f" {plain(text)} " for pattern in patterns for text in _literals(pattern)]
    read += [f" {plain(words)} " for words in contractions.values()]
    free: dict[str, str] = {}
    for fillers in slots.values():
        for filler in fillers:
            by_itself = all(sign.spelled for sign in filler.signs) and len(filler.sayings) == 1
            for number, saying in enumerate(filler.sayings):
                words = plain(saying.singular)
                split = _split(f"saying {words}", shares) if number or (by_itself and filler.signs) else "train"
                free[words] = split if free.get(words, split) == split else "train"
    while True:  # what comes back into training may contain others
        every = [(f" {words} ", split) for words, split in free.items()] + [(text, "train") for text in read]
        back = [
            words
            for words, split in free.items()
            if split != "train" and any(f" {words} " in text and other != split for text, other in every)
        ]
        if not back:
            break
        free |= dict.fromkeys(back, "train")

    def marked(saying: Saying) -> Saying:
        return Saying(saying.singular, saying.forms, saying.mass, free[plain(saying.singular)])

    return {
        name: tuple(Filler(filler.signs, tuple(map(marked, filler.sayings))) for filler in fillers)
        for name, fillers in slots.items()
    }


def _literals(pattern: Pattern) -> Iterator[str]:
    """Every run of words that training or validation may read in the wordings, without the slots."""
    for wording in pattern.wordings:
        if wording.split != "test":
            for text in _runs(wording.parts):
                yield from re.split("<.*?>", text)


def _runs(sequence: Sequence[Part]) -> list[str]:
    """The texts of a sequence, with the slots as "<a_drink>"."""
    texts = [""]
    for part in sequence:
        if isinstance(part, Choice):
            texts = [f"{text} {more}" for text in texts for option in part.options for more in _runs(option)]
        else:
            texts = [
                f"{text} {part.text if isinstance(part, Literal) else f'<{part.form}_{part.key}>'}" for text in texts
            ]
    return texts


def _plural(words: str) -> str:
    if re.search("(s|x|ch|sh)$", words):
        return f"{words}es"
    return re.sub("(?<=[^aeiou])y$", "ie", words) + "s"


def _inflected(words: str, form: str) -> str:
    """Of the first word: "bake bread" -> "baking bread", "baked bread"."""
    first, space, rest = words.partition(" ")
    if form == "ing":
        stem = re.sub("(?<=[^eoy])e$", "", first)
    else:
        stem = re.sub("(?<=[^aeiou])y$", "i", first).removesuffix("e")
    if re.fullmatch("[^aeiou]*[aeiou][^aeiouwxy]", first):
        stem = first + first[-1]
    return f"{stem}{form}{space}{rest}"
