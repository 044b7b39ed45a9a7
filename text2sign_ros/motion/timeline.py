"""Timeline: which frames of a motion show which sign, filled while the motion is being made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from text2sign_ros.motion.limits import Limits, stretch

MARKER, PAUSE, REST = "marker", "pause", "rest"
"""Kinds of part beside those of what is signed ("sign", "letter")."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames of a motion that show one thing.

    Parts that are no markers follow one another without a gap; markers lie over them.

    Attributes:
        kind: what it is: "sign", "letter", ``PAUSE`` (the sign before it is held), ``REST`` (the way back to rest) or
            ``MARKER`` (head and brows).
        text: of the sign, or name of the marker; empty for pause and rest.
        start: its first frame.
        end: the frame after its last one; None where that is not known yet.
        word: number of its word in the text, which the letters of a spelled word share; None where it has none.
        estimated: whether start or end lie within what was generated at once, and are guessed.
    """

    kind: str
    text: str
    start: int
    end: int | None
    word: int | None = None
    estimated: bool = False


@dataclass(slots=True)
class _Planned:
    """A part: ``start`` and ``end`` in frames as generated, ``first`` and ``last`` in frames as performed."""

    kind: str
    text: str
    word: int | None
    estimated: bool
    start: int
    end: int | None
    first: int | None = None
    last: int | None = None
    given: Part | None = None


class Timeline:
    """The parts of one motion, in the order in which they begin.

    Whoever plans the motion adds them, in frames as they are generated; whoever performs it takes them, in frames as
    they come out, which ``stretch`` makes others. It holds no more than what was not taken yet, or still goes on. Not
    thread-safe.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []  # what has not been given for the last time
        self._running: dict[str, _Planned] = {}  # markers that go on
        self._length = 0  # frames as generated
        self._performed = 0  # frames as they came out
        self._stretched = False

    def add(self, kind: str, text: str, frames: int, *, word: int | None = None, estimated: bool = False) -> None:
        """The next ``frames`` frames show this."""
        start, self._length = self._length, self._length + frames
        self._begin(_Planned(kind, text, word, estimated, start, self._length))

    def mark(self, markers: Iterable[str]) -> None:
        """From the next frame that is added on these markers are shown, and no others; what goes on stays one part."""
        wanted = set(markers)
        for name in self._running.keys() - wanted:
            self._end(self._running.pop(name))
        for name in sorted(wanted - self._running.keys()):
            self._running[name] = _Planned(MARKER, name, None, False, self._length, None)
            self._begin(self._running[name])

    def stretch(self, pieces: Iterable[np.ndarray], fps: float, limits: Limits) -> Iterator[np.ndarray]:
        """``limits.stretch``, and where it changes time, when a part ends is known only once it does.

        Args:
            pieces, fps, limits: as there; nothing may have been added before the first of ``pieces`` is made.
        """
        self._stretched = bool(limits)
        yield from stretch(pieces, fps, limits, self._passed)
        for part in self._planned if self._stretched else ():
            part.last = self._performed if part.last is None else part.last

    def take(self, before: int | None = None) -> tuple[Part, ...]:
        """What begins before frame number ``before`` (None: anywhere) and was not given yet, or not with its end."""
        given = []
        for planned in self._planned:
            if planned.first is None or (before is not None and planned.first >= before):
                break
            kind, text, word, estimated = planned.kind, planned.text, planned.word, planned.estimated
            part = Part(kind, text, planned.first, planned.last, word, estimated)
            if part != planned.given:
                planned.given = part
                given.append(part)
        self._planned = [p for p in self._planned if p.given is None or p.given.end is None]
        return tuple(given)

    def _passed(self, places: np.ndarray) -> None:
        """More frames have come out; ``places`` (n,) are the frames as generated that they show."""
        for part in self._planned if len(places) else ():
            if part.first is None and part.start <= places[-1]:
                part.first = self._performed + int(np.searchsorted(places, part.start))
            if part.last is None and part.end is not None and part.end <= places[-1]:
                part.last = self._performed + int(np.searchsorted(places, part.end))
        self._performed += len(places)

    def _begin(self, part: _Planned) -> None:
        if not self._stretched:
            part.first, part.last = part.start, part.end
        self._planned.append(part)

    def _end(self, part: _Planned) -> None:
        """Here, which no frame that has come out shows: what comes next is only being planned."""
        part.end = self._length
        if not self._stretched:
            part.last = part.end


def captions(parts: Iterable[Part]) -> list[tuple[str, int]]:
    """(text, frames) of each sign in order, with the pause in which it is held; the way back to rest has no text.

    Args:
        parts: all of a motion, ends included.
    """
    rows: list[tuple[str, int]] = []
    for part in parts:
        if part.kind == MARKER:
            continue
        assert part.end is not None
        text, frames = part.text, part.end - part.start
        if part.kind == PAUSE and rows:
            text, frames = rows[-1][0], rows.pop()[1] + frames
        rows.append((text, frames))
    return rows
