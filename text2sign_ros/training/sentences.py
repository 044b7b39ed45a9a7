"""Sentences as arrays for training, composed or recorded; made once and cached on disk."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros import clip, naming, skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import base, composition, galt_labels, mediapipe, registry, resampling, sides
from text2sign_ros.corpora.base import SPLITS, CorpusError, Example, Kind
from text2sign_ros.corpora.composition import Composed, Composer, whole
from text2sign_ros.motion import kinematics, transition
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.config import REST_FRAMES, CorpusConfig


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

    @property
    def said(self) -> list[tuple[str, ...]]:
        """The labels of each sentence, in order."""
        ends = np.searchsorted(self.unit_sentence, np.arange(len(self.starts)))
        return [tuple(self.labels[a:b].tolist()) for a, b in itertools.pairwise(ends)]

    def of(self, kind: Kind) -> np.ndarray:
        """(units,) bool, which units are of that kind."""
        return self.kinds == kind


def compose(corpora: Sequence[CorpusConfig], split: str, count: int, seed: int, folder: Path) -> Sentences:
    """The sentences of a split of all corpora, loaded from ``folder`` if they are cached there.

    From each corpus's signs and letters ``count`` random sentences are composed; recorded sentences only get
    transitions from rest and back to rest. A corpus is sampled according to its share, and its sentences equally often;
    one without recordings of the split is left out. Each alternative of a sign is a sign of its own name.

    Raises:
        CorpusError: a corpus is missing or damaged, or none has anything in the split.
    """
    kept = [(corpus, _kept(corpus, split, count, seed, folder)) for corpus in corpora]
    found = [(corpus.share, part) for corpus, part in kept if part is not None]
    if not found:
        folders = ", ".join(str(corpus.folder) for corpus in corpora)
        raise CorpusError(f"{folders} has no recordings of split {split!r}; add some")
    total = sum(share for share, _ in found)
    return _together([part for _, part in found], [share / total for share, _ in found])


def _kept(corpus: CorpusConfig, split: str, count: int, seed: int, folder: Path) -> Sentences | None:
    path = folder / f"sentences.{split}.{_key(corpus, split, count, seed)}.npz"
    if not path.exists():
        examples = [e for e in registry.reader(corpus.reader).read(Path(corpus.folder)) if e.split == split]
        if not examples:
            return None
        units = [example for example in examples if example.unit]
        recorded = [example for example in examples if not example.unit]
        rng = np.random.default_rng((seed, SPLITS.index(split)))
        sentences = itertools.chain(_composed(units, count, rng) if units else (), map(whole, recorded))
        total = count * bool(units) + len(recorded)
        laid = _laid(progress_bar(sentences, desc=f"composing {split}", total=total))
        with write_whole(path) as file:
            np.savez(file, **vars(replace(laid, takes=_takes(units, corpus.reader))))
    with np.load(path, allow_pickle=False) as data:
        return Sentences(**{name: data[name] for name in data.files})


def _key(corpus: CorpusConfig, *arguments: object) -> str:
    """Changes with the recordings, the arguments and the code, so that outdated sentences are never used."""
    reader: Any = registry.reader(corpus.reader)
    names, motion = (naming, base, galt_labels), (clip, mediapipe, resampling, sides, kinematics, transition, skeleton)
    modules = (reader, composition, *names, *motion)
    content = registry.digest(corpus.reader, Path(corpus.folder))
    parts = [content, *map(str, arguments), *map(inspect.getsource, modules)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _composed(examples: Sequence[Example], count: int, rng: np.random.Generator) -> Iterator[Composed]:
    composer = Composer(examples)
    return (composer.compose(labels, rng) for labels in composer.sentences(count, rng))


def _takes(examples: Sequence[Example], corpus: str) -> np.ndarray:
    """``Sentences.takes`` of the recordings of signs and letters of a corpus."""
    rows = [
        (example.unit.name, example.unit.kind, corpus, example.licence, example.signer, example.source)
        for example in examples
        if example.unit
    ]
    return np.array(rows, str).reshape(-1, 6)


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


def _together(parts: Sequence[Sentences], shares: Sequence[float]) -> Sentences:
    """Concatenate the sentences of several corpora, which are sampled in these shares."""
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, list[np.ndarray]] = {name: [getattr(part, name) for part in parts] for name in vars(parts[0])}
    frames = np.cumsum([0, *(part.starts[-1] for part in parts)])
    numbers = np.cumsum([0, *(len(part.starts) - 1 for part in parts)])
    for name in ("unit_starts", "unit_stops"):
        arrays[name] = [array + first for array, first in zip(arrays[name], frames, strict=False)]
    arrays["starts"] = [a[:-1] + first for a, first in zip(arrays["starts"], frames, strict=False)] + [frames[-1:]]
    arrays["unit_sentence"] = [a + first for a, first in zip(arrays["unit_sentence"], numbers, strict=False)]
    arrays["chance"] = [array * share for array, share in zip(arrays["chance"], shares, strict=True)]
    return Sentences(**{name: np.concatenate(values) for name, values in arrays.items()})
