"""The corpus contract: what every reader returns, whatever the format on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.errors import Text2SignError
from text2sign_ros.naming import named

FPS = 25.0
"""Frames per second of every clip that a reader returns."""

SPLITS = ("train", "val", "test")


class CorpusError(Text2SignError):
    """A corpus is missing, or its files do not follow its format."""


class Kind(str, Enum):
    """What a stretch of motion shows."""

    SIGN = "sign"
    LETTER = "letter"  # of the manual alphabet
    SENTENCE = "sentence"  # signed as a whole; which signs it consists of is not known

    __str__ = str.__str__  # the value, as in Python 3.11's StrEnum: numpy makes strings of it


@dataclass(frozen=True)
class Unit:
    """A sign or a fingerspelled letter.

    Attributes:
        label: its name, as it would be written in a text: "thank you", "g".
        kind: ``Kind.SIGN`` or ``Kind.LETTER``.
        alternative: which of several signs with this label, or which sense of it, in the words of the corpus; "" is the
            one to sign where nothing else is asked for.
    """

    label: str
    kind: Kind
    alternative: str = ""

    @property
    def name(self) -> str:
        """What a model is told to sign: the label, and the alternative if it is not the default: "alert (person)"."""
        return named(self.label, self.alternative)


@dataclass(frozen=True)
class Example:
    """One recording.

    Attributes:
        text: what is signed, as written.
        clip: the motion at ``FPS``, with bones of canonical length (``kinematics.CANONICAL_LENGTHS``).
        units: the signs and letters that it consists of, in order; None if they are not known.
        signer: who signs; "" if not recorded.
        block: recording block, unique within the corpus; recordings of one block share signer and session.
        split: one of ``SPLITS``; the same for all recordings of a block.
        source: where the recording comes from.
        licence: the terms under which it may be used.

    Raises:
        CorpusError: the text is empty, the clip has fewer than two frames or another frame rate, the split is unknown,
            or ``units`` is empty or holds a sentence.
    """

    text: str
    clip: SignClip
    units: tuple[Unit, ...] | None
    signer: str
    block: str
    split: str
    source: str
    licence: str

    def __post_init__(self) -> None:
        problem = ""
        if not self.text.strip():
            problem = "its text is empty"
        elif len(self.clip) < 2 or self.clip.fps != FPS:
            problem = f"its clip has {len(self.clip)} frames at {self.clip.fps:g} fps; at least 2 at {FPS:g} are needed"
        elif self.split not in SPLITS:
            problem = f"its split is {self.split!r}; it must be one of {', '.join(SPLITS)}"
        elif self.units is not None and (not self.units or any(unit.kind == Kind.SENTENCE for unit in self.units)):
            problem = "its units must be signs and letters; give None if they are not known"
        if problem:
            raise CorpusError(f"the recording {self.text!r} of block {self.block!r} can't be used: {problem}")

    @property
    def unit(self) -> Unit | None:
        """The one sign or letter that the clip shows; None if it shows a sentence."""
        return self.units[0] if self.units is not None and len(self.units) == 1 else None


class Depth(str, Enum):
    """What is known of how far keypoints are from the viewer."""

    NONE = "none"  # two-dimensional: x is 0
    HANDS = "hands"  # within each hand; that of the arms is too weak to be used (MediaPipe)
    UNSIGNED = "unsigned"  # along every bone, but not whether it points toward the viewer or away
    FULL = "full"

    __str__ = str.__str__


@dataclass(frozen=True)
class Recording:
    """One recording as its corpus publishes it, with its keypoints in the places of the 79 and nothing else changed.

    Attributes:
        name: unique within the corpus.
        text, gloss: what is signed, as written; the gloss is "" if there is none.
        signer, block, split: as those of ``Example``.
        points: (T, 79, 3) float32, axes as those of frame ``signer`` (x toward the viewer, y to the signer's left, z
            up), origin and unit as the source has them; zero where the confidence is 0.
        confidence: (T, 79) float32 in [0, 1]; 0 is a missing keypoint.
        fps: frames per second.
        depth: what x is worth.

    Raises:
        CorpusError: shapes differ, a number is not finite, a confidence is outside 0 to 1, or there are no frames.
    """

    name: str
    text: str
    gloss: str
    signer: str
    block: str
    split: str
    points: np.ndarray
    confidence: np.ndarray
    fps: float
    depth: Depth

    def __post_init__(self) -> None:
        points = np.asarray(self.points, np.float32)
        confidence = np.asarray(self.confidence, np.float32)
        problem = ""
        if points.ndim != 3 or points.shape[1:] != (skeleton.NUM_KEYPOINTS, 3) or not len(points):
            problem = f"its keypoints have shape {points.shape}; (frames, {skeleton.NUM_KEYPOINTS}, 3) is needed"
        elif confidence.shape != points.shape[:2]:
            problem = f"its confidence has shape {confidence.shape}; {points.shape[:2]} is needed"
        elif not np.isfinite(points).all() or not np.isfinite(confidence).all():
            problem = "it holds numbers that are not finite"
        elif confidence.min() < 0 or confidence.max() > 1:
            problem = "a confidence is outside 0 to 1"
        elif not (np.isfinite(self.fps) and self.fps > 0):
            problem = f"its frame rate is {self.fps}"
        if problem:
            raise CorpusError(f"the recording {self.name!r} can't be used: {problem}")
        object.__setattr__(self, "points", np.where(confidence[..., None] > 0, points, np.float32(0)))
        object.__setattr__(self, "confidence", confidence)


class Reader(Protocol):
    """Reads one format. A module with these two functions is a reader; ``registry.READERS`` lists all of them."""

    def files(self, folder: Path) -> list[Path]:
        """All files that ``read`` reads; cached data made from them is invalid once their content changes.

        Raises:
            CorpusError: one is missing.
        """

    def read(self, folder: Path, *, progress: bool = True) -> list[Example]:
        """All usable recordings, in an order that depends only on the content of the files.

        Raises:
            CorpusError: a file is missing or does not follow the format.
        """


class PublishedReader(Protocol):
    """Reads a format in which corpora are published, to be lifted. ``registry.PUBLISHED`` lists all of them."""

    ABOUT: str  # what the format is, for reports
    SOURCE: str  # of its examples
    LICENCE: str

    def files(self, folder: Path) -> list[Path]:
        """As of a ``Reader``."""

    def holds(self, folder: Path) -> bool:
        """Whether a folder looks like this format; its files are not read further than that needs."""

    def recordings(self, folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
        """The recordings one by one, in an order that depends only on the content of the files.

        Args:
            fps: frames per second of a corpus that does not say; 0 takes what the reader assumes.
            notes: gets a line for everything that was left out or put right.

        Raises:
            CorpusError: a file is missing or does not follow the format.
        """
