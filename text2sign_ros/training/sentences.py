"""Sentences as arrays for training, composed or recorded; made once and cached on disk."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros import clip, naming, skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import (
    base,
    composition,
    expansion,
    galt_labels,
    grammar,
    lifting,
    mediapipe,
    registry,
    resampling,
    safe_pickle,
    sides,
    variation,
    wholebody,
)
from text2sign_ros.corpora.base import SPLITS, CorpusError, Example, Kind
from text2sign_ros.corpora.composition import Composed, Composer, Tempo, takes_for, whole
from text2sign_ros.corpora.expansion import Expansion, Pair
from text2sign_ros.motion import kinematics, transition
from text2sign_ros.naming import named
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.config import REST_FRAMES, CorpusConfig, GrammarConfig


@dataclass(frozen=True)
class Sentences:
    """Sentences concatenated in time.

    Attributes:
        positions: (frames, 79, 3) float16, metres.
        confidence: (frames, 79) float16.
        starts: (sentences + 1,) first frame of each sentence, and the total number of frames.
        unit_sentence: (units,) the sentence of each unit; a unit is a sign, a letter or a whole recorded sentence.
        unit_stops: (units,) the frame of ``positions`` at which each ends.
        unit_starts: (units,) the frame at which the movement toward each starts: where the one before it ended.
        labels: (units,) the name of each sign (``base.Unit.name``), the letter, or the sentence's text.
        kinds: (units,) the ``Kind`` of each, as a string.
        chance: (sentences,) how often each sentence is drawn in training; sums to 1.
        takes: (takes, 6) name, kind, corpus, licence, signer and source of each recording of a sign or letter.
        signs: (signs,) the names of the signs and letters within the sentences of a grammar, in order; each of those
            sentences is a unit of kind "sentence", whose label is its English text, and one to four make up a text.
        sign_unit: (signs,) the unit of each.
        sign_starts, sign_stops: (signs,) frames of ``positions``, as ``unit_starts`` and ``unit_stops``.
        sign_text: (signs, 2) the first character of the unit's label that says the sign, and the one after the last; -1
            where it is said by no words in particular.
    """

    positions: np.ndarray
    confidence: np.ndarray
    starts: np.ndarray
    unit_sentence: np.ndarray
    unit_starts: np.ndarray
    unit_stops: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    chance: np.ndarray
    takes: np.ndarray = field(default_factory=lambda: np.zeros((0, 6), str))
    signs: np.ndarray = field(default_factory=lambda: np.zeros(0, str))
    sign_unit: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    sign_starts: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    sign_stops: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    sign_text: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))

    @property
    def said(self) -> list[tuple[str, ...]]:
        """The labels of each sentence, in order."""
        ends = np.searchsorted(self.unit_sentence, np.arange(len(self.starts)))
        return [tuple(self.labels[a:b].tolist()) for a, b in itertools.pairwise(ends)]

    def of(self, kind: Kind) -> np.ndarray:
        """(units,) bool, which units are of that kind."""
        return self.kinds == kind


def compose(
    corpora: Sequence[CorpusConfig],
    split: str,
    count: int,
    seed: int,
    folder: Path,
    grammar: GrammarConfig | None = None,
) -> Sentences:
    """The sentences of a split of all corpora, loaded from ``folder`` if they are cached there.

    From the signs and letters of all corpora together ``count`` random sentences are composed, in which signs of one
    corpus follow those of another; recorded sentences only get transitions from rest and back to rest. The recorded
    sentences of a corpus are sampled according to its share, and the composed ones according to the shares of all
    corpora that have signs or letters. The signs of a corpus that is ``apart`` are alternatives of signs of the same
    name in the corpora before it, not takes of them. A corpus without recordings of the split is left out. Each
    alternative of a sign is a sign of its own name. Sentences of a grammar come last; without one, all is as it was.

    Raises:
        CorpusError: a corpus is missing or damaged, or none has anything in the split; a name is that of a sign in one
            recording and of a letter in another; the grammar has a fault, or a sign that no corpus has.
    """
    path = folder / f"sentences.{split}.{_key(corpora, split, count, seed, *_grammar_key(grammar))}.npz"
    if not path.exists():
        parts = list(_parts(corpora, split, count, np.random.default_rng((seed, SPLITS.index(split)))))
        if grammar:
            parts.append((grammar.share, of_grammar(grammar, corpora, split, seed)))
        if not parts:
            folders = ", ".join(str(corpus.folder) for corpus in corpora)
            raise CorpusError(f"{folders} has no recordings of split {split!r}; add some")
        with write_whole(path) as file:
            np.savez(file, **vars(_together(parts)))
    with np.load(path, allow_pickle=False) as data:
        return Sentences(**{name: data[name] for name in data.files})


def examples_of(corpus: CorpusConfig) -> list[Example]:
    """All examples of a corpus.

    Raises:
        CorpusError: it is missing or damaged.
    """
    return registry.read(corpus.reader, Path(corpus.folder), lift=corpus.lift, fps=corpus.fps)


def recordings(
    corpora: Sequence[CorpusConfig], read: Callable[[CorpusConfig], Sequence[Example]] = examples_of
) -> Iterator[tuple[CorpusConfig, Sequence[Example]]]:
    """All examples of each corpus, those of a corpus ``apart`` under the names that training knows them by.

    Args:
        corpora: in the order of the configuration.
        read: returns the examples of a corpus.

    Raises:
        CorpusError: a corpus is missing or damaged.
    """
    taken: set[str] = set()
    for corpus in corpora:
        examples = read(corpus)
        if corpus.apart:
            examples = _apart(examples, taken, f"other {corpus.reader.replace('_', ' ')}")
        taken |= {example.unit.name for example in examples if example.unit}
        yield corpus, examples


def _apart(examples: Sequence[Example], taken: Collection[str], other: str) -> list[Example]:
    """The examples, with signs whose name is taken made alternatives; ``other`` is in the names of those."""
    own = {example.unit.name for example in examples if example.unit}

    def renamed(example: Example) -> Example:
        unit = example.unit
        if unit is None or unit.kind != Kind.SIGN or unit.name not in taken:
            return example
        plain = f"{unit.alternative} {other}".strip()
        names = itertools.chain([plain], (f"{plain} {number}" for number in itertools.count(2)))
        free = next(name for name in names if named(unit.label, name) not in {*taken, *own})
        return replace(example, units=(replace(unit, alternative=free),))

    return [renamed(example) for example in examples]


def _parts(
    corpora: Sequence[CorpusConfig], split: str, count: int, rng: np.random.Generator
) -> Iterator[tuple[float, Sentences]]:
    """The composed sentences, and the recorded ones of each corpus, each with its share."""
    units: list[Example] = []
    sentences: list[tuple[float, list[Example]]] = []
    takes, share = [], 0.0
    for corpus, every in recordings(corpora):
        examples = [example for example in every if example.split == split]
        own, recorded = [e for e in examples if e.unit], [e for e in examples if not e.unit]
        units += own
        takes += [_take(e, corpus.reader) for e in own]
        share += corpus.share * bool(own)
        if recorded:
            sentences.append((corpus.share, recorded))
    if units:
        composer = Composer(units, vary=split == "train")
        composed = (composer.compose(names, rng) for names in composer.sentences(count, rng))
        laid = _laid(progress_bar(composed, desc=f"composing {split}", total=count))
        yield share, replace(laid, takes=np.array(takes, str))
    for share, recorded in sentences:
        yield share, _laid(progress_bar(map(whole, recorded), desc=f"{split} sentences", total=len(recorded)))


def of_grammar(config: GrammarConfig, corpora: Sequence[CorpusConfig], split: str, seed: int) -> Sentences:
    """Texts of a grammar; each sentence is a unit of kind "sentence" with its signs (``Sentences.signs``) inside.

    Signs without a take in the split have that of training, performed differently.

    Raises:
        CorpusError: see ``compose``.
    """
    takes = takes_for([example for _, every in recordings(corpora) for example in every], split)
    composer = Composer(takes, vary=True)
    expansion = Expansion(grammar.read(config.file, composer.words))
    count = config.sentences if split == "train" else config.held_out_sentences
    rng = np.random.default_rng((seed, SPLITS.index(split)))
    pairs = list(expansion.pairs(split, count, seed))
    inside = [
        composer.compose([unit.name for unit in pair.units], rng, Tempo(faster=config.pace))
        for pair in progress_bar(pairs, desc=f"grammar {split}")
    ]
    laid = _laid(_by_sentence(pair, one) for pair, one in zip(pairs, inside, strict=True))
    return replace(laid, **_within(pairs, inside, laid.starts))


def _by_sentence(pair: Pair, inside: Composed) -> Composed:
    """The motion of a text with its sentences as labels instead of their signs."""
    texts, spans, first = [], [], 0
    for start, stop, count in pair.sentences:
        texts.append(pair.text[start:stop])
        spans.append((inside.spans[first][0], inside.spans[first + count - 1][1]))
        first += count
    return Composed(inside.clip, tuple(texts), (Kind.SENTENCE,) * len(texts), tuple(spans))


def _within(pairs: Sequence[Pair], inside: Sequence[Composed], starts: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of ``Sentences`` about the signs of composed sentences, which start at the frames ``starts``."""
    first = [start + REST_FRAMES for start in starts[:-1]]
    stops = [[at + stop for _, stop in one.spans] for at, one in zip(first, inside, strict=True)]
    sentences = [sentence for pair in pairs for sentence in pair.sentences]
    begins = [start for pair in pairs for start, _, count in pair.sentences for _ in range(count)]
    spans = [span for pair in pairs for span in pair.spans]
    within = [(span[0] - by, span[1] - by) if span else (-1, -1) for span, by in zip(spans, begins, strict=True)]
    return {
        "signs": np.array([label for one in inside for label in one.labels]),
        "sign_unit": np.repeat(np.arange(len(sentences)), [count for *_, count in sentences]),
        "sign_starts": np.array([frame for at, own in zip(first, stops, strict=True) for frame in (at, *own[:-1])]),
        "sign_stops": np.array([frame for own in stops for frame in own]),
        "sign_text": np.array(within),
    }


def _grammar_key(config: GrammarConfig | None) -> tuple[str, ...]:
    """What sentences of a grammar depend on beside the recordings."""
    if config is None:
        return ()
    try:
        text = Path(config.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{config.file} can't be read: {error}; data: grammar: file names a grammar") from error
    counts = (config.sentences, config.held_out_sentences, config.share, config.pace)
    return (text, str(counts), *map(inspect.getsource, (grammar, expansion)))


def _take(example: Example, corpus: str) -> tuple[str, ...]:
    """A row of ``Sentences.takes``."""
    assert example.unit is not None
    return example.unit.name, example.unit.kind, corpus, example.licence, example.signer, example.source


def _key(corpora: Sequence[CorpusConfig], *arguments: object) -> str:
    """Changes with the recordings, the arguments and the code, so that outdated sentences are never used."""
    readers: list[Any] = [registry.reader(corpus.reader) for corpus in corpora]
    names, motion = (naming, base, galt_labels), (clip, mediapipe, resampling, sides, kinematics, transition, skeleton)
    published = (lifting, wholebody, safe_pickle)
    modules = (*readers, composition, variation, *published, *names, *motion)
    content = [f"{registry.digest(c.reader, Path(c.folder))} {c.share} {c.apart} {c.lift} {c.fps}" for c in corpora]
    parts = [*content, *map(str, arguments), *map(inspect.getsource, modules)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _laid(sentences: Iterable[Composed]) -> Sentences:
    """Concatenated in time, each with rest before and after it."""
    rest = np.repeat(skeleton.REST_POSE[None], REST_FRAMES, axis=0).astype(np.float16)
    seen = np.ones(rest.shape[:2], np.float16)
    positions, confidence, unit_sentence, unit_starts, unit_stops = [], [], [], [], []
    labels: list[str] = []
    kinds: list[Kind] = []
    starts = [0]
    for number, composed in enumerate(sentences):
        positions += [rest, composed.clip.positions.astype(np.float16), rest]
        confidence += [seen, composed.clip.confidence.astype(np.float16), seen]
        first = starts[-1] + REST_FRAMES
        stops = [first + stop for _, stop in composed.spans]
        unit_starts += [first, *stops[:-1]]
        unit_stops += stops
        unit_sentence += [number] * len(stops)
        labels += composed.labels
        kinds += composed.kinds
        starts.append(starts[-1] + len(composed.clip) + 2 * REST_FRAMES)
    count = len(starts) - 1
    return Sentences(
        np.concatenate(positions), np.concatenate(confidence), np.array(starts), np.array(unit_sentence),
        np.array(unit_starts), np.array(unit_stops), np.array(labels), np.array(kinds), np.full(count, 1 / count),
    )  # fmt: skip


def _together(parts: Sequence[tuple[float, Sentences]]) -> Sentences:
    """Concatenate sentences that are sampled in the given shares."""
    total = sum(share for share, _ in parts)
    arrays: dict[str, list[np.ndarray]] = {name: [getattr(s, name) for _, s in parts] for name in vars(parts[0][1])}
    frames = np.cumsum([0, *(part.starts[-1] for _, part in parts)])
    numbers = np.cumsum([0, *(len(part.starts) - 1 for _, part in parts)])
    for name in ("unit_starts", "unit_stops", "sign_starts", "sign_stops"):
        arrays[name] = [array + first for array, first in zip(arrays[name], frames, strict=False)]
    arrays["starts"] = [a[:-1] + first for a, first in zip(arrays["starts"], frames, strict=False)] + [frames[-1:]]
    arrays["unit_sentence"] = [a + first for a, first in zip(arrays["unit_sentence"], numbers, strict=False)]
    units = np.cumsum([0, *(len(part.labels) for _, part in parts)])
    arrays["sign_unit"] = [a + first for a, first in zip(arrays["sign_unit"], units, strict=False)]
    arrays["chance"] = [array * share / total for array, (share, _) in zip(arrays["chance"], parts, strict=True)]
    return Sentences(**{name: np.concatenate(values) for name, values in arrays.items()})
