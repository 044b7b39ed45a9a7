"""SigningEngine: a thread that signs one text after another into a bounded queue of chunks."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.motion.timeline import REST, Part, Timeline
from text2sign_ros.text import TextError

AHEAD = 2.0
"""Seconds of motion that may wait to be taken: what bridges a moment in which the machine has no time to sign."""
MAX_UNCOLLECTED = 100
"""Texts that have ended and whose end the consumer has not taken, beyond those that wait: a consumer that stalls must
not let memory grow."""


class QueueFullError(Text2SignError):
    """As many texts wait as may."""


class DroppedError(Text2SignError):
    """A text expired or was superseded before it was signed."""


class Policy(Enum):
    """What becomes of a text that comes while others are there."""

    QUEUE = "queue"
    """It waits; where as many wait as may, it is refused."""
    REPLACE = "replace"
    """All others are canceled, the one being signed by the way back to rest."""
    DROP_OLDEST = "drop_oldest"
    """It waits; where as many wait as may, the one that has waited longest is dropped."""


class Outcome(Enum):
    """How a text ended."""

    SIGNED = "signed"
    REFUSED = "refused"
    """It can't be signed; nothing of it was."""
    DROPPED = "dropped"
    """It expired or was superseded before it was signed."""
    CANCELED = "canceled"
    FAILED = "failed"
    """Something broke; what was begun ended at rest."""


@dataclass(frozen=True)
class Style:
    """How a text is to be signed.

    Attributes:
        seed: of the noise; the same text with the same seed is the same motion.
        max_characters: a longer text is refused.
        frames_per_chunk: length of the chunks.
        limits: of every keypoint's motion.
    """

    seed: int = 0
    max_characters: int = 100_000
    frames_per_chunk: int = 8
    limits: Limits = field(default_factory=Limits)


@dataclass(eq=False)
class Utterance:
    """One text on its way. The engine writes, anyone may read.

    Attributes:
        text, style: as submitted.
        id: of this text alone.
        expires: when, by ``time.monotonic``, it is dropped if nothing of it was taken and it still waits.
        outcome: None until it has ended.
        error: why it was refused, dropped, canceled for another or failed.
        warnings: what could not be signed as written; of a long text complete when it has ended.
        begun: whether any chunk of it was taken.
        frames: signed so far.
        first_chunk: seconds from when the engine turned to this text to its first chunk; 0 before that.
        work: seconds of signing so far, without any waiting.
        returns: frame from which it goes straight back to rest, or None.
    """

    text: str
    style: Style
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    expires: float = math.inf
    outcome: Outcome | None = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()
    begun: bool = False
    frames: int = 0
    first_chunk: float = 0.0
    work: float = 0.0
    returns: int | None = None


Item = tuple[Utterance, Chunk | None]
"""A chunk of an utterance, or None: it has ended, and ``outcome`` says how."""


class SigningEngine:
    """Signs texts in the order in which they are submitted, ahead of the consumer of the chunks.

    All methods may be called from any thread, but the chunks are for one consumer. One worker thread runs the signer.

    What holds, and the tests hold it to:
        - at most ``max_waiting`` texts wait to be signed (and those that a pause put back), at most ``AHEAD`` seconds
          of motion (and one chunk more, and one way back to rest) and ``MAX_UNCOLLECTED`` ends wait to be taken: memory
          does not grow with the texts;
        - every text that was accepted gives its chunks, in order and whole, and then exactly one None with its outcome,
          before any chunk of the next text comes. Only ``close`` cuts that short;
        - the parts that chunks carry cover all frames of a motion without a gap; the way back to rest is one of them,
          and ends what else would still go on;
        - the chunks of a text begin and end at rest, also when it is canceled or fails: they then go on from the
          last one along a minimum-jerk path;
        - after ``cancel`` no chunk of what was canceled is given any more, only that way back;
        - after ``pause`` neither, and nothing is signed before ``resume``. A text that was interrupted then begins
          again, its frames counted from 0: half a sentence, or half a sign, says nothing.

    Args:
        signer: to sign with; warm it up before.
        max_waiting: texts that may wait.
    """

    def __init__(self, signer: Signer, *, max_waiting: int) -> None:
        self._signer, self._max_waiting = signer, max_waiting
        self._changed = threading.Condition()  # guards all below
        self._live: list[Utterance] = []  # submitted, and the end not taken yet
        self._waiting: deque[Utterance] = deque()  # those of them that the worker has not turned to, or has to again
        self._running: Utterance | None = None  # the one that the worker is to go on with
        self._items: deque[Item] = deque()
        self._last: tuple[Utterance, Chunk] | None = None  # the last chunk that was taken
        self._paused = False
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="signing engine", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """How many texts wait to be signed."""
        return len(self._waiting)

    @property
    def paused(self) -> bool:
        """Whether nothing is signed until ``resume``."""
        return self._paused

    @property
    def idle(self) -> bool:
        """Whether the end of every text has been taken."""
        return not self._live

    def submit(
        self,
        text: str,
        style: Style,
        *,
        policy: Policy = Policy.QUEUE,
        max_wait: float = 0.0,
        id: uuid.UUID | None = None,
    ) -> Utterance:
        """Queue a text.

        Args:
            text, style: what to sign, and how.
            policy: what becomes of it, or of others, where others are there.
            max_wait: seconds after which it is dropped if the worker has not turned to it; 0 is no limit.
            id: of the text; None makes one.

        Raises:
            QueueFullError: ``max_waiting`` texts wait already, and the policy drops none.
        """
        expires = time.monotonic() + max_wait if max_wait > 0 else math.inf
        utterance = Utterance(text, style, id or uuid.uuid4(), expires)
        with self._changed:
            self._expire()
            if len(self._live) >= self._max_waiting + MAX_UNCOLLECTED:
                raise QueueFullError(
                    f"the ends of {MAX_UNCOLLECTED} texts are not sent yet; does the clock stand still?"
                )
            if policy is Policy.REPLACE:
                self.cancel(DroppedError("a newer text took its place"))
            elif policy is Policy.DROP_OLDEST and len(self._waiting) >= self._max_waiting:
                oldest = next((p for p in self._waiting if not p.begun), None)
                if oldest is not None:
                    self._drop(oldest, DroppedError(f"{self._max_waiting} newer texts are waiting"))
            if len(self._waiting) >= self._max_waiting:
                raise QueueFullError(f"{self._max_waiting} texts are waiting; send it later or raise queue_size")
            self._live.append(utterance)
            self._waiting.append(utterance)
            self._changed.notify_all()
        return utterance

    def cancel(self, reason: Exception | None = None) -> int:
        """End every text that was submitted; motion that is on its way goes back to rest.

        Args:
            reason: becomes the ``error`` of each text that this cancels.

        Returns:
            How many texts that ended.
        """
        with self._changed:
            going = [
                p for p in self._live if self._has_more(p) and not (p.outcome is not None and self._is_returning(p))
            ]
            for utterance in going:
                # What has failed stays a failure: only its motion is cut short.
                if utterance.outcome in (None, Outcome.SIGNED):
                    utterance.outcome, utterance.error = Outcome.CANCELED, reason
                self._replace(utterance, [*self._way_out(utterance), (utterance, None)])
            self._waiting.clear()
            self._running = None
            self._changed.notify_all()
            return len(going)

    def pause(self) -> int:
        """Bring motion that is on its way to rest, and sign nothing until ``resume``.

        Returns:
            How many texts begin again then, of which something had been performed.
        """
        with self._changed:
            if self._paused:
                return 0
            self._paused = True
            again: list[Utterance] = []
            for utterance in [p for p in self._live if p not in self._waiting]:
                if not again and not self._has_more(utterance):
                    continue
                ended = utterance.outcome in (Outcome.CANCELED, Outcome.DROPPED)
                if ended or (utterance.outcome is Outcome.FAILED and utterance.begun):
                    self._replace(utterance, [*self._way_out(utterance), (utterance, None)])
                else:  # also what was refused or failed before its turn: it must not end before those ahead of it
                    utterance.outcome = utterance.error = None
                    self._replace(utterance, self._way_out(utterance))
                    again.append(utterance)
            self._waiting.extendleft(reversed(again))
            self._running = None
            self._changed.notify_all()
            return sum(utterance.begun for utterance in again)

    def resume(self) -> None:
        """Sign what waits."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def take(self, timeout: float) -> Item | None:
        """The next chunk, or the end of a text; None if there is none within ``timeout`` seconds."""
        with self._changed:
            self._expire()
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout) or not self._items:
                return None
            utterance, chunk = self._items.popleft()
            if chunk is None:
                self._live.remove(utterance)
            else:
                utterance.begun, self._last = True, (utterance, chunk)
            self._changed.notify_all()
            return utterance, chunk

    def close(self) -> None:
        """Stop, in mid-sentence if need be, and wait for the worker's end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    def _has_more(self, utterance: Utterance) -> bool:
        """Whether anything but the end of it is still to be taken."""
        own = [chunk for p, chunk in self._items if p is utterance]
        return own != [None]

    def _is_returning(self, utterance: Utterance) -> bool:
        """Whether all that is still to be taken of it is a way back to rest."""
        if self._last is None or self._last[0] is not utterance or utterance.returns is None:
            return False
        return self._last[1].start + len(self._last[1]) >= utterance.returns

    def _way_out(self, utterance: Utterance) -> list[Item]:
        """The chunks that lead to rest from the last one of it that was taken; none if it has not begun."""
        if self._is_returning(utterance):
            return [item for item in self._items if item[0] is utterance and item[1] is not None]
        if self._last is None or self._last[0] is not utterance:
            return []
        last = self._last[1]
        utterance.returns = last.start + len(last)
        return [(utterance, chunk) for chunk in _way_back(utterance, last)]

    def _replace(self, utterance: Utterance, items: list[Item]) -> None:
        """Put ``items`` where what was still to be taken of it stood, or at the end where nothing did."""
        others = [item for item in self._items if item[0] is not utterance]
        place = next((k for k, item in enumerate(self._items) if item[0] is utterance), len(others))
        self._items = deque([*others[:place], *items, *others[place:]])

    def _expire(self) -> None:
        """Drop what has waited too long."""
        now = time.monotonic()
        for utterance in [p for p in self._waiting if p.expires <= now and not p.begun]:
            self._drop(utterance, DroppedError("it waited longer than max_wait allows"))

    def _drop(self, utterance: Utterance, reason: DroppedError) -> None:
        utterance.outcome, utterance.error = Outcome.DROPPED, reason
        self._waiting.remove(utterance)
        self._items.append((utterance, None))
        self._changed.notify_all()

    def _work(self) -> None:
        while (utterance := self._next()) is not None:
            last = None
            try:
                for chunk in self._sign(utterance):
                    if not self._put(utterance, chunk):
                        break
                    last = chunk
                else:
                    self._end(utterance, Outcome.SIGNED)
            except Exception as error:  # one text that fails must not silence the robot
                refused = last is None and isinstance(error, TextError)
                self._end(utterance, Outcome.REFUSED if refused else Outcome.FAILED, error, last)

    def _next(self) -> Utterance | None:
        """Wait for a text to sign; None when there is to be none any more."""
        with self._changed:
            while not self._closed:
                self._expire()
                if self._waiting and not self._paused:
                    utterance = self._running = self._waiting.popleft()
                    utterance.frames, utterance.first_chunk, utterance.work = 0, 0.0, 0.0
                    utterance.returns = None
                    return utterance
                self._changed.wait()
            return None

    def _sign(self, utterance: Utterance) -> Iterator[Chunk]:
        style, began = utterance.style, time.perf_counter()
        plan = self._signer.plan(utterance.text, max_characters=style.max_characters)
        utterance.warnings = plan.warnings
        timeline = Timeline()
        pieces = self._signer.stream(plan, seed=style.seed, limits=style.limits, timeline=timeline)
        for chunk in chunks(pieces, self._signer.fps, style.frames_per_chunk):
            chunk = replace(chunk, parts=timeline.take(chunk.start + len(chunk)))
            now = time.perf_counter()
            utterance.work += now - began
            utterance.first_chunk = utterance.first_chunk or utterance.work
            utterance.frames += len(chunk)
            yield chunk
            began = time.perf_counter()
        utterance.warnings = plan.warnings  # those of a long text are complete only now

    def _put(self, utterance: Utterance, chunk: Chunk) -> bool:
        """Wait for room; False when the utterance, or everything, has ended or is to begin again."""
        most = AHEAD * self._signer.fps

        def ended() -> bool:
            return self._closed or self._running is not utterance

        with self._changed:
            self._changed.wait_for(lambda: ended() or sum(len(c) for _, c in self._items if c is not None) < most)
            if ended():
                return False
            self._items.append((utterance, chunk))
            self._changed.notify_all()
            return True

    def _end(
        self, utterance: Utterance, outcome: Outcome, error: Exception | None = None, last: Chunk | None = None
    ) -> None:
        with self._changed:
            if self._running is utterance:
                self._running = None
                utterance.outcome, utterance.error = outcome, error
                if last is not None:
                    utterance.returns = last.start + len(last)
                    self._items.extend((utterance, chunk) for chunk in _way_back(utterance, last))
                self._items.append((utterance, None))
                self._changed.notify_all()


def _way_back(utterance: Utterance, last: Chunk) -> Iterator[Chunk]:
    """From the end of ``last`` to rest; nothing if it ended there."""
    if last.last:
        return iter(())
    style = utterance.style
    path = to_rest(last.positions[-1], last.velocities[-1], last.fps, style.limits)
    first, *others = chunks([path], last.fps, style.frames_per_chunk, after=last)
    way = Part(REST, "", first.start, first.start + len(path))
    return iter((replace(first, parts=(way,)), *others))
