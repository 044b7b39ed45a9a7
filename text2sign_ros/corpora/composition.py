"""Composition of sentences and spelled words from real takes, joined the way a person moves between signs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.asl_cafe import FPS, Take
from text2sign_ros.motion.transition import frames_between, transition

_MOVING_LETTERS = ("j", "z")
_LETTER_FRAMES = (10, 15)
"""A spelled letter that does not move is held this long (frames, both included), not the second of its recording."""
_MAX_STEP = 0.02
"""Metres per frame: the fastest that a take's cut ends are assumed to move; faster ends are tracking noise."""

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
        labels: what is signed, in order.
        spans: (start, stop) frames of each label's take within the clip; what lies between is transition.
    """

    clip: SignClip
    labels: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


class Composer:
    """Composes from the takes of one split; everything follows from the seed of the generator given.

    Args:
        takes: what to compose from, all of one split.

    Raises:
        ValueError: takes of several splits are mixed, or there are none.
    """

    def __init__(self, takes: Iterable[Take]) -> None:
        by_label: dict[str, list[Take]] = defaultdict(list)
        splits = set()
        for take in takes:
            by_label[take.label].append(take)
            splits.add(take.split)
        if len(splits) != 1:
            raise ValueError(f"compose from the takes of one split, not of {sorted(splits) or 'none'}")
        self._takes = dict(by_label)
        self.labels = tuple(sorted(self._takes))
        self.letters = tuple(label for label in self.labels if len(label) == 1)
        self.words = tuple(label for label in self.labels if len(label) > 1)

    def compose(self, labels: Sequence[str], rng: np.random.Generator) -> Composed:
        """One random take a label, from rest and back to rest.

        Raises:
            KeyError: a label has no take.
        """
        rest = skeleton.REST_POSE[None]
        parts, seen, spans = [rest], [np.ones((1, skeleton.NUM_KEYPOINTS), np.float32)], []
        frames, step = 1, None
        for label in labels:
            take = self._takes[label][rng.integers(len(self._takes[label]))].clip
            positions, confidence = _trim(label, take, rng)
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
        return Composed(SignClip(np.concatenate(parts), np.concatenate(seen), FPS), tuple(labels), tuple(spans))

    def sentence(self, rng: np.random.Generator) -> list[str]:
        """Labels of a random sentence: a café sentence, random words, or words with a spelled one among them."""
        kind = rng.random()
        if kind < 0.3:
            template = _SENTENCES[rng.integers(len(_SENTENCES))]
            chosen = {name: options[rng.integers(len(options))] for name, options in _CHOICES.items()}
            return self.split(template.format(**chosen))
        words = [self.words[i] for i in rng.integers(len(self.words), size=rng.integers(1, 5))]
        if kind < 0.55:
            return words
        spelled = [self.letters[i] for i in rng.integers(len(self.letters), size=rng.integers(2, 9))]
        at = rng.integers(len(words) + 1)
        return words[:at] + spelled + words[at:] if kind < 0.75 else spelled

    def split(self, text: str) -> list[str]:
        """Labels of a plain lower-case text, the longest match first; unknown words become letters."""
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


def _trim(label: str, clip: SignClip, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if len(label) > 1 or label in _MOVING_LETTERS:
        return clip.positions, clip.confidence
    length = int(rng.integers(_LETTER_FRAMES[0], _LETTER_FRAMES[1] + 1))
    start = int(rng.integers(0, max(1, len(clip) - length)))
    return clip.positions[start : start + length], clip.confidence[start : start + length]


def _join(start: np.ndarray, end: np.ndarray, start_step: np.ndarray | None, end_step: np.ndarray | None) -> np.ndarray:
    steps = [None if s is None else _limited(s) for s in (start_step, end_step)]
    return transition(start, end, frames_between(start, end, FPS), start_step=steps[0], end_step=steps[1])


def _limited(step: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(step, axis=-1, keepdims=True)
    return step * np.minimum(1.0, _MAX_STEP / np.maximum(norm, 1e-9))
