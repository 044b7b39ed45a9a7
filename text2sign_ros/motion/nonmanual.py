"""The non-manual layer: head and brows move over the signs of a question, a negation, an affirmation, a stressed word.

The motion of the hands is generated; the grammar of head and brows is not, since the model was not trained on a corpus
with faces. So it is added to the motion by rule. The markers are those described for American Sign Language (C.
Baker-Shenk, "A microanalysis of the nonmanual components of questions in American Sign Language", 1983; Neidle, Kegl,
MacLaughlin, Bahan & Lee, "The Syntax of American Sign Language", 2000): raised brows and the head forward for yes/no
questions, lowered brows for wh-questions, a side-to-side head shake for negation; a nod affirms. The amplitudes, the
rates and the timing are chosen here, and nobody who signs has validated them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

import numpy as np

from text2sign_ros import skeleton

ONSET = 0.28
"""Seconds in which an expression fades in, from the first frame of its sign, and fades out after the last one."""
SHAKE_RATE, NOD_RATE = 2.0, 1.5
"""Hz."""
NECK = np.array((-0.02, 0.0, 0.10))
"""The centre of head rotations, metres from the midpoint between the shoulders."""

_HEAD = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
_BROWS = np.isin(_HEAD, skeleton.BROWS)


@dataclass(frozen=True)
class Expression:
    """The movement of head and brows at full strength.

    Attributes:
        brows: metres upwards.
        forward: metres that the head comes forward.
        pitch: radians that it bends forward.
        shake: radians that it turns to either side, ``SHAKE_RATE`` times a second.
        nod: radians that it bends forward and back again, ``NOD_RATE`` times a second.
    """

    brows: float = 0.0
    forward: float = 0.0
    pitch: float = 0.0
    shake: float = 0.0
    nod: float = 0.0


EXPRESSIONS: dict[str, Expression] = {
    "question": Expression(brows=0.006, forward=0.015, pitch=np.radians(4.0)),
    "wh": Expression(brows=-0.005),
    "negation": Expression(shake=np.radians(10.0)),
    "affirmation": Expression(nod=np.radians(10.0)),
    "emphasis": Expression(brows=0.003, pitch=np.radians(4.0)),
    "plain": Expression(),
}
"""By the name of the marker, as in ``text.markup.Manner``. Simultaneous ones add up."""


@dataclass(frozen=True)
class Passage:
    """A stretch of a motion with the same markers.

    Attributes:
        frames: its length.
        markers: of ``EXPRESSIONS``; those that the passage before has too continue.
        ends: whether its markers end with it, even if the next passage has the same ones.
    """

    frames: int
    markers: frozenset[str]
    ends: bool


@dataclass
class _Span:
    marker: str
    start: int
    end: int | None = None
    """None if not known yet."""


def express(pieces: Iterable[np.ndarray], passages: Iterable[Passage], fps: float) -> Iterator[np.ndarray]:
    """Add expressions to a motion: head and face move as a rigid body about the neck, and the brows move on it.

    A streaming stage: each input piece yields one piece of the same frames, and only as many passages are consumed as
    it needs. An expression fades in and out in ``ONSET`` seconds along a minimum-jerk curve (Flash & Hogan 1985). It
    fades out after its last passage, which therefore need not be known in advance. Of two consecutive ones of the same
    kind, the second starts when the first has faded out. Hands, arms and shoulders, and all frames without an
    expression, stay bit for bit the same.

    Args:
        pieces: each (n, 79, 3) float32 metres in frame ``signer``, consecutive frames.
        passages: in order from the first frame on. The motion must continue for ``ONSET`` seconds after the last one
            with a marker, as the return to rest does.
        fps: frames per second.

    Yields:
        (n, 79, 3) float32 metres. The first and the last frame are unchanged.

    Raises:
        KeyError: a passage has a marker that is not in ``EXPRESSIONS``.
    """
    onset = ONSET * fps
    coming, spans = iter(passages), list[_Span]()
    start = known = 0  # frames that have come out; frames whose passage is known
    over = False
    for piece in pieces:
        stop = start + len(piece)
        while known < stop and not over:
            passage = next(coming, None)
            over = passage is None
            _note(spans, known, passage or Passage(0, frozenset(), True), onset)
            known += passage.frames if passage else 0
        yield _moved(piece, start, spans, fps)
        start = stop
        spans = [span for span in spans if span.end is None or start < span.end + onset]


def _note(spans: list[_Span], frame: int, passage: Passage, onset: float) -> None:
    """End, continue and start ``spans`` for the ``passage`` that starts at ``frame``."""
    running = {span.marker: span for span in spans if span.end is None}
    for marker, span in running.items():
        if marker not in passage.markers:
            span.end = frame
    for marker in sorted(passage.markers - running.keys()):
        before = [span.end for span in spans if span.marker == marker and span.end is not None]
        spans.append(_Span(marker, max([frame, *(int(np.ceil(end + onset)) for end in before)])))
    if passage.ends:
        for span in spans:
            if span.end is None:
                span.end = max(span.start, frame + passage.frames)


def _moved(piece: np.ndarray, start: int, spans: list[_Span], fps: float) -> np.ndarray:
    """The frames (n, 79, 3) from number ``start`` on, with what ``spans`` express."""
    frames = np.arange(start, start + len(piece))
    total = np.zeros((4, len(piece)))  # brows, forward, pitch, yaw
    for span in spans:
        brows, forward, pitch, shake, nod = astuple(EXPRESSIONS[span.marker])
        since = (frames - span.start) / fps
        weight = _rise(since / ONSET)
        if span.end is not None:
            weight *= 1.0 - _rise((frames - span.end) / fps / ONSET)
        nodding = nod * (1.0 - np.cos(2 * np.pi * NOD_RATE * since)) / 2
        shaking = shake * np.sin(2 * np.pi * SHAKE_RATE * since)
        total += weight * np.array(np.broadcast_arrays(brows, forward, pitch + nodding, shaking))
    moving = total.any(axis=0)
    if not moving.any():
        return piece
    brows, forward, pitch, yaw = total[:, moving, None]
    neck = piece[moving][:, skeleton.SHOULDERS].mean(axis=1, dtype=float, keepdims=True) + NECK
    x, y, z = np.moveaxis(piece[moving][:, _HEAD] - neck, -1, 0)  # each (m, head keypoints)
    z = z + brows * _BROWS
    x, y = np.cos(yaw) * x - np.sin(yaw) * y, np.sin(yaw) * x + np.cos(yaw) * y
    x, z = np.cos(pitch) * x + np.sin(pitch) * z + forward, np.cos(pitch) * z - np.sin(pitch) * x
    moved = piece.copy()
    moved[np.ix_(moving, _HEAD)] = np.stack((x, y, z), axis=-1) + neck
    return moved


def _rise(part: np.ndarray) -> np.ndarray:
    """0 before 0, 1 from 1 on, and the minimum-jerk quintic in between."""
    t = np.clip(part, 0.0, 1.0)
    return t**3 * (10.0 - 15.0 * t + 6.0 * t**2)
