"""Composed sentences as arrays for training, made once and kept on disk."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import asl_cafe, composition, mediapipe
from text2sign_ros.corpora.composition import Composer
from text2sign_ros.motion import kinematics, transition

REST_FRAMES = 32
"""Frames of rest put before and after each sentence: a segment may start from rest, and there is always a prefix."""


@dataclass(frozen=True)
class Sentences:
    """Sentences laid end to end.

    Attributes:
        positions: (frames, 79, 3) float16, metres.
        confidence: (frames, 79) float16.
        starts: (sentences + 1,) first frame of each sentence, and the end.
        unit_sentence: (units,) the sentence of each sign or letter.
        unit_stops: (units,) the frame of ``positions`` at which each ends.
        unit_starts: (units,) the frame at which the movement toward each begins: where the one before it ended.
        labels: (units,) what each is.
    """

    positions: np.ndarray
    confidence: np.ndarray
    starts: np.ndarray
    unit_sentence: np.ndarray
    unit_starts: np.ndarray
    unit_stops: np.ndarray
    labels: np.ndarray

    @property
    def said(self) -> list[tuple[str, ...]]:
        """What is signed in each sentence, in order."""
        ends = np.searchsorted(self.unit_sentence, np.arange(len(self.starts)))
        return [tuple(self.labels[a:b].tolist()) for a, b in itertools.pairwise(ends)]


def compose(corpus: str | Path, split: str, count: int, seed: int, folder: Path) -> Sentences:
    """Compose ``count`` random sentences from the takes of a split, or load them if ``folder`` has them already."""
    path = folder / f"sentences.{split}.{_key(corpus, split, count, seed)}.npz"
    if not path.exists():
        composer = Composer(take for take in asl_cafe.read(corpus) if take.split == split)
        sentences = _compose(composer, split, count, np.random.default_rng((seed, asl_cafe.SPLITS.index(split))))
        with write_whole(path) as file:
            np.savez(file, **vars(sentences))
    with np.load(path, allow_pickle=False) as data:
        return Sentences(**{name: data[name] for name in data.files})


def _key(*arguments: object) -> str:
    """Changes with the arguments and with the code that composes: old sentences are never taken for new ones."""
    modules = (asl_cafe, composition, mediapipe, kinematics, transition, skeleton)
    parts = [*map(str, arguments), *map(inspect.getsource, modules)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _compose(composer: Composer, split: str, count: int, rng: np.random.Generator) -> Sentences:
    rest = np.repeat(skeleton.REST_POSE[None], REST_FRAMES, axis=0).astype(np.float16)
    seen = np.ones(rest.shape[:2], np.float16)
    positions, confidence, unit_sentence, unit_starts, unit_stops = [], [], [], [], []
    labels: list[str] = []
    starts = [0]
    for number in tqdm(range(count), desc=f"composing {split}", mininterval=2.0):
        composed = composer.compose(composer.sentence(rng), rng)
        positions += [rest, composed.clip.positions.astype(np.float16), rest]
        confidence += [seen, composed.clip.confidence.astype(np.float16), seen]
        first = starts[-1] + REST_FRAMES
        stops = [first + stop for _, stop in composed.spans]
        unit_starts += [first, *stops[:-1]]
        unit_stops += stops
        unit_sentence += [number] * len(stops)
        labels += composed.labels
        starts.append(starts[-1] + len(composed.clip) + 2 * REST_FRAMES)
    return Sentences(
        np.concatenate(positions), np.concatenate(confidence), np.array(starts), np.array(unit_sentence),
        np.array(unit_starts), np.array(unit_stops), np.array(labels),
    )  # fmt: skip
