"""Timeline: which frames of a motion show which sign, filled while the motion is generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from text2sign_ros.motion.limits import Limits, stretch

MARKER, PAUSE, REST = "marker", "pause", "rest"
"""Kinds of part in addition to those of signed units ("sign", "letter", "clause")."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames of a motion that show one thing.

    Parts other than markers follow one another without gaps; markers overlap them.

    Attributes:
        kind: "sign", "letter", "clause", ``PAUSE`` (the sign before it is held), ``REST`` (the return to rest) or
            ``MARKER`` (head and brows).
        text: of the sign, or the name of the marker; empty for pause and rest.
        start: its first frame.
        end: the frame after its last one; None if not known yet.
        word: index of its word in the text, shared by the letters of a spelled word; None if it has none.
        estimated: whether start or end lie within a segment that was generated in one go, and are estimates.
        said: of a sign, the words of the text that it stands for.
        alternative: which of several signs with this text; "" is the default.
    """

    kind: str
    text: str
    start: int
    end: int | None
    word: int | None = None
    estimated: bool = False
    said: str = ""
    alternative: str = ""


@dataclass(slots=True)
class _Planned:
    """A part: ``start`` and ``end`` in frames as generated, ``first`` and ``last`` in output frames."""

    kind: str
    text: str
    word: int | None
    estimated: bool
    said: str
    alternative: str
    start: int
    end: int | None
    first: int | None = None
    last: int | None = None
    given: Part | None = None


class Timeline:
    """The parts of one motion, in the order of their starts.

    The planner of the motion adds them in frames as generated; its consumer takes them in output frames, which differ
    if ``stretch`` changes time. Holds only parts that were not taken yet or have not ended. Not thread-safe.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []  # parts not taken with their end yet
        self._running: dict[str, _Planned] = {}  # markers that have not ended
        self._length = 0  # frames as generated
        self._output = 0  # output frames
        self._stretched = False

    def add(
        self,
        kind: str,
        text: str,
        frames: int,
        *,
        word: int | None = None,
        estimated: bool = False,
        said: str = "",
        alternative: str = "",
    ) -> None:
        """The next ``frames`` frames show this; for the other arguments see ``Part``."""
        start, self._length = self._length, self._length + frames
        self._start(_Planned(kind, text, word, estimated, said, alternative, start, self._length))

    def mark(self, markers: Iterable[str]) -> None:
        """Set the markers shown from the next added frame on; those that continue stay one part."""
        wanted = set(markers)
        for name in self._running.keys() - wanted:
            self._end(self._running.pop(name))
        for name in sorted(wanted - self._running.keys()):
            self._running[name] = _Planned(MARKER, name, None, False, "", "", self._length, None)
            self._start(self._running[name])

    def stretch(self, pieces: Iterable[np.ndarray], fps: float, limits: Limits) -> Iterator[np.ndarray]:
        """Apply ``limits.stretch``; if it may change time, the end of a part is known only when it is reached.

        Args:
            pieces, fps, limits: as there; nothing may be added before the first of ``pieces`` is generated.
        """
        self._stretched = bool(limits)
        yield from stretch(pieces, fps, limits, self._passed)
        for part in self._planned if self._stretched else ():
            part.last = self._output if part.last is None else part.last

    def take(self, before: int | None = None) -> tuple[Part, ...]:
        """Parts that start before frame ``before`` (None: anywhere) and were not taken yet, or not with their end."""
        given = []
        for planned in self._planned:
            if planned.first is None or (before is not None and planned.first >= before):
                break
            part = Part(
                planned.kind,
                planned.text,
                planned.first,
                planned.last,
                planned.word,
                planned.estimated,
                planned.said,
                planned.alternative,
            )
            if part != planned.given:
                planned.given = part
                given.append(part)
        self._planned = [p for p in self._planned if p.given is None or p.given.end is None]
        return tuple(given)

    def _passed(self, places: np.ndarray) -> None:
        """More frames were output; ``places`` (n,) are the generated frames that they show."""
        for part in self._planned if len(places) else ():
            if part.first is None and part.start <= places[-1]:
                part.first = self._output + int(np.searchsorted(places, part.start))
            if part.last is None and part.end is not None and part.end <= places[-1]:
                part.last = self._output + int(np.searchsorted(places, part.end))
        self._output += len(places)

    def _start(self, part: _Planned) -> None:
        if not self._stretched:
            part.first, part.last = part.start, part.end
        self._planned.append(part)

    def _end(self, part: _Planned) -> None:
        """End it here. No output frame shows this yet, since only the planning has come so far."""
        part.end = self._length
        if not self._stretched:
            part.last = part.end


def complete(taken: Iterable[Part]) -> list[Part]:
    """The parts of a motion in the order of their starts, from what was taken of it bit by bit."""
    return list({(part.kind, part.text, part.start): part for part in taken}.values())


def captions(parts: Iterable[Part]) -> list[tuple[str, int]]:
    """(text, frames) of each sign with its pause, in order; the return to rest has no text.

    Args:
        parts: all parts of a motion, with known ends.
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
