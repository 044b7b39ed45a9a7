"""Composition of sentences and spelled words from real takes, joined the way a person moves between signs."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind
from text2sign_ros.corpora.resampling import interpolate
from text2sign_ros.corpora.variation import varied
from text2sign_ros.motion.nonmanual import Passage, express
from text2sign_ros.motion.transition import frames_between, transition

_MOVING_LETTERS = ("j", "z")
_LETTER_FRAMES = (10, 15)
"""Frames (from, to) for which a spelled letter that does not move is held; its recording holds it for a second."""
_ENOUGH = 5
"""Takes of a sign that are varied only by which one is drawn."""
_MAX_STEP = 0.02
"""Metres per frame: the highest speed assumed at the ends of a take; anything faster is tracking noise."""

_SENTENCES = (
    "hello can i get a {size} {drink} please thank you",
    "can i get a {size} {drink} please",
    "can i get {drink} please thank you",
    "hello can i get a muffin please",
    "{greeting} can i get {drink}",
    "{size} {drink} please",
    "no thank you",
    "no {drink} thank you bye",
    "how much {drink}",
    "{greeting} i {feeling} i get {drink}",
    "i {feeling} thank you",
    "good job father",
    "i love you father",
    "hello father how much coffee",
    "you {feeling} i {feeling}",
    "bye thank you {greeting}",
)
_CHOICES = {
    "size": ("small", "medium", "large"),
    "drink": ("coffee", "tea", "water", "muffin"),
    "greeting": ("hello", "bye", "good job", "thank you"),
    "feeling": ("happy", "sad", "hungry"),
}


@dataclass(frozen=True)
class Composed:
    """A sentence from rest to rest.

    Attributes:
        clip: the motion.
        labels, kinds: what is signed, in order, by its name (``base.Unit.name``).
        spans: (start, stop) frames of each one's recording within the clip; the frames between are transitions.
    """

    clip: SignClip
    labels: tuple[str, ...]
    kinds: tuple[Kind, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Tempo:
    """How a sentence is timed, as one person signs it; drawn anew for each.

    Attributes:
        pace: standard deviation of the logarithm of its pace.
        faster: the mean of its pace; 1 is that of the takes, which were signed alone, and slower than in a sentence.
        hold: frames (from, to) by which its last sign comes to a standstill later: what ends a sentence is held
            (F. Grosjean, "A study of timing in a manual and a spoken language", 1979, for pauses at its end).
    """

    pace: float = 0.1
    faster: float = 1.0
    hold: tuple[int, int] = (3, 8)


def takes_for(examples: Iterable[Example], split: str) -> list[Example]:
    """The signs and letters of a split, and the training takes of those of which it has none.

    Most signs have one recording, which is for training: sentences of such signs are held out by their words and their
    order, not by their motion.
    """
    units = [example for example in examples if example.unit]
    own = [example for example in units if example.split == split]
    known = {example.unit for example in own}
    others = (example for example in units if example.split == "train" and example.unit not in known)
    return own + [replace(example, split=split) for example in others]


def expressed(composed: Composed, faces: Iterable[tuple[frozenset[str], int]]) -> Composed:
    """The sentence with head and brows as the non-manual layer moves them when it is signed.

    For pictures and comparisons: motion to train on has none, since the layer is added to what a model generates.

    Args:
        faces: markers, and for how many of the sentence's units, in order (``expansion.Pair.face_units``).
    """
    passages, unit, start = [], 0, 0
    for markers, count in faces:
        if count:
            unit += count
            passages.append(Passage(composed.spans[unit - 1][1] - start, markers, ends=True))
            start = composed.spans[unit - 1][1]
    (positions,) = express([composed.clip.positions], passages, composed.clip.fps)
    return replace(composed, clip=SignClip(positions, composed.clip.confidence, composed.clip.fps))


def whole(example: Example) -> Composed:
    """A recorded sentence, with transitions from rest and back to rest."""
    clip, spans = _joined([(example.clip.positions, example.clip.confidence)])
    return Composed(clip, (example.text,), (Kind.SENTENCE,), spans)


class Composer:
    """Composes sentences from the signs and letters of one split; the random generator determines the result.

    Signs go by their names (``base.Unit.name``): each alternative of a label is a word of its own.

    Args:
        takes: what to compose from, all of one split, each showing one sign or letter.
        vary: whether signs of which there are few takes are performed differently each time (``variation.varied``).

    Raises:
        CorpusError: recordings of several splits are mixed, or there are no recordings; one shows a sentence; a name
            is that of a sign in one and of a letter in another.
    """

    def __init__(self, takes: Iterable[Example], *, vary: bool = False) -> None:
        self._vary = vary
        self._takes: dict[str, list[SignClip]] = defaultdict(list)
        self._kinds: dict[str, Kind] = {}
        splits = set()
        for take in takes:
            if take.unit is None:
                raise CorpusError(
                    f"{take.text!r} of block {take.block!r} is a sentence; compose from signs and letters"
                )
            name, kind = take.unit.name, take.unit.kind
            if self._kinds.setdefault(name, kind) != kind:
                raise CorpusError(f"{name!r} is a sign in one recording and a letter in another; give it two labels")
            self._takes[name].append(take.clip)
            splits.add(take.split)
        if len(splits) != 1:
            raise CorpusError(f"compose from the takes of one split, not of {sorted(splits) or 'none'}")
        self.labels = tuple(sorted(self._takes))
        self.letters = tuple(label for label in self.labels if self._kinds[label] == Kind.LETTER)
        self.words = tuple(label for label in self.labels if self._kinds[label] == Kind.SIGN)
        self._templates = tuple(template for template in _SENTENCES if self._has(template))

    def _has(self, template: str) -> bool:
        """Whether every sentence that the template can become has recordings."""
        blanks = [name for name in _CHOICES if f"{{{name}}}" in template]
        for chosen in itertools.product(*(_CHOICES[name] for name in blanks)):
            text = template.format(**dict(zip(blanks, chosen, strict=True)))
            if " ".join(self.split(text)) != text:  # a word would have to be spelled
                return False
        return True

    def compose(self, labels: Sequence[str], rng: np.random.Generator, tempo: Tempo | None = None) -> Composed:
        """Compose one random take per label, from rest and back to rest.

        Args:
            tempo: how the sentence is timed; None: each take as it was recorded.

        Raises:
            KeyError: a label has no take.
        """
        kinds = tuple(self._kinds[label] for label in labels)
        parts = []
        for label, kind in zip(labels, kinds, strict=True):
            takes = self._takes[label]
            take = takes[rng.integers(len(takes))]
            if self._vary and len(takes) < _ENOUGH:
                take = varied(take, rng)
            parts.append(_trim(label, kind, take, rng))
        if tempo:
            parts = _timed(parts, tempo, rng)
        clip, spans = _joined(parts)
        return Composed(clip, tuple(labels), kinds, spans)

    def sentence(self, rng: np.random.Generator) -> list[str]:
        """Labels of a random sentence: a café sentence, random words, or words with a spelled one among them.

        Café sentences need a corpus with their signs; words and letters are used only if the corpus has any.
        """
        return self._sentence(rng, lambda count: _some(self.words, count, rng))

    def sentences(self, count: int, rng: np.random.Generator) -> Iterator[list[str]]:
        """``count`` random sentences like ``sentence``, in which each word comes up once before any comes up again.

        So a vocabulary of a thousand words is learnt whole, which thousands of independent draws would not ensure.
        """
        deck: list[str] = []

        def draw(count: int) -> list[str]:
            while self.words and len(deck) < count:
                deck[:0] = [self.words[i] for i in rng.permutation(len(self.words))]
            return [deck.pop() for _ in range(count)] if deck else []

        return (self._sentence(rng, draw) for _ in range(count))

    def _sentence(self, rng: np.random.Generator, draw: Callable[[int], list[str]]) -> list[str]:
        kind = rng.random()
        if kind < 0.3 and self._templates:
            template = self._templates[rng.integers(len(self._templates))]
            chosen = {name: options[rng.integers(len(options))] for name, options in _CHOICES.items()}
            return self.split(template.format(**chosen))
        spelled = _some(self.letters, int(rng.integers(2, 9)), rng) if kind >= 0.55 or not self.words else []
        words = draw(int(rng.integers(1, 5))) if kind < 0.75 or not spelled else []
        at = rng.integers(len(words) + 1)
        return words[:at] + spelled + words[at:]

    def split(self, text: str) -> list[str]:
        """Labels of a plain lower-case text, longest match first; unknown words become letters."""
        words, labels = text.split(), []
        while words:
            for length in range(min(3, len(words)), 0, -1):
                if " ".join(words[:length]) in self._takes:
                    labels.append(" ".join(words[:length]))
                    break
            else:
                labels += list(words[0])
            words = words[length:]
        return labels


def _some(labels: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` random labels; empty if ``labels`` is."""
    return [labels[i] for i in rng.integers(len(labels), size=count)] if labels else []


def _trim(label: str, kind: Kind, clip: SignClip, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if kind == Kind.SIGN or label in _MOVING_LETTERS:
        return clip.positions, clip.confidence
    length = int(rng.integers(_LETTER_FRAMES[0], _LETTER_FRAMES[1] + 1))
    start = int(rng.integers(0, max(1, len(clip) - length)))
    return clip.positions[start : start + length], clip.confidence[start : start + length]


def _timed(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], tempo: Tempo, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The recordings (positions, confidence) at another pace, the last one slowing down to a standstill."""
    pace, hold = (
        tempo.faster * np.exp(rng.normal(scale=tempo.pace)),
        int(rng.integers(tempo.hold[0], tempo.hold[1] + 1)),
    )
    timed = []
    for number, (positions, confidence) in enumerate(parts):
        last = len(positions) - 1
        at = np.linspace(0, last, max(2, 1 + round(last / pace)))
        if number == len(parts) - 1:
            at = _slowed(at, min(hold, len(at) - 1))
        seen = np.minimum(confidence[np.floor(at).astype(int)], confidence[np.ceil(at).astype(int)])
        timed.append((interpolate(positions, at), seen))
    return timed


def _slowed(at: np.ndarray, steps: int) -> np.ndarray:
    """The times, the last ``steps`` of equal steps taken in twice as many that shrink to nothing."""
    left = 1.0 - np.arange(1, 2 * steps + 1) / (2 * steps) if steps else np.zeros(0)
    return np.concatenate((at[: len(at) - steps], at[-1] - (at[-1] - at[-1 - steps]) * left**2))


def _joined(recordings: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[SignClip, tuple[tuple[int, int], ...]]:
    """Join recordings (positions, confidence) from rest and back to rest; also return the frames of each."""
    rest = skeleton.REST_POSE[None]
    parts, seen, spans = [rest], [np.ones((1, skeleton.NUM_KEYPOINTS), np.float32)], []
    frames, step = 1, None
    for positions, confidence in recordings:
        join = _join(parts[-1][-1], positions[0], step, positions[1] - positions[0])
        parts += [join, positions]
        seen += [np.ones(join.shape[:2], np.float32), confidence]
        frames += len(join)
        spans.append((frames, frames + len(positions)))
        frames += len(positions)
        step = positions[-1] - positions[-2]
    join = _join(parts[-1][-1], rest[0], step, None)
    parts += [join, rest]
    seen += [np.ones((len(join) + 1, skeleton.NUM_KEYPOINTS), np.float32)]
    return SignClip(np.concatenate(parts), np.concatenate(seen), FPS), tuple(spans)


def _join(start: np.ndarray, end: np.ndarray, start_step: np.ndarray | None, end_step: np.ndarray | None) -> np.ndarray:
    steps = [None if s is None else _limited(s) for s in (start_step, end_step)]
    return transition(start, end, frames_between(start, end, FPS), start_step=steps[0], end_step=steps[1])


def _limited(step: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(step, axis=-1, keepdims=True)
    return step * np.minimum(1.0, _MAX_STEP / np.maximum(norm, 1e-9))
