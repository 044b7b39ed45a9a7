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
"""Seconds of motion to buffer for the consumer: bridges moments in which the machine is too busy to sign."""
MAX_UNCOLLECTED = 100
"""Ended texts that the consumer may leave uncollected, in addition to waiting texts: a stalled consumer must not let
memory grow."""


class QueueFullError(Text2SignError):
    """The queue of waiting texts is full."""


class DroppedError(Text2SignError):
    """A text expired or was superseded before it was signed."""


class Policy(Enum):
    """What happens to a text that is submitted while others are waiting or being signed."""

    QUEUE = "queue"
    """It waits; if the queue is full, it is refused."""
    REPLACE = "replace"
    """All others are canceled; the one being signed returns to rest."""
    DROP_OLDEST = "drop_oldest"
    """It waits; if the queue is full, the text that has waited longest is dropped."""


class Outcome(Enum):
    """How a text ended."""

    SIGNED = "signed"
    REFUSED = "refused"
    """It can't be signed, and no part of it was."""
    DROPPED = "dropped"
    """It expired or was superseded before it was signed."""
    CANCELED = "canceled"
    FAILED = "failed"
    """An error occurred; a motion that had started ended at rest."""


@dataclass(frozen=True)
class Style:
    """How to sign a text.

    Attributes:
        seed: of the noise; the same text and seed give the same motion.
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
    """A submitted text and its progress. Written by the engine only; any thread may read it.

    Attributes:
        text, style: as submitted.
        id: unique identifier.
        expires: time by ``time.monotonic`` at which it is dropped if it is still waiting and has not started.
        outcome: None until it has ended.
        error: why it was refused, dropped, superseded or failed.
        warnings: what could not be signed as written; complete for a long text once it has ended.
        started: whether any of its chunks was taken.
        frames: number of frames signed so far.
        first_chunk: seconds from when the engine started on this text to its first chunk; 0 before that.
        work: seconds of signing so far, waiting excluded.
        return_frame: frame from which the motion returns straight to rest, or None.
    """

    text: str
    style: Style
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    expires: float = math.inf
    outcome: Outcome | None = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()
    started: bool = False
    frames: int = 0
    first_chunk: float = 0.0
    work: float = 0.0
    return_frame: int | None = None


Item = tuple[Utterance, Chunk | None]
"""A chunk of an utterance; None instead of a chunk means that it has ended, see ``outcome``."""


class SigningEngine:
    """Signs texts in the order of submission, ahead of the consumer of the chunks.

    All methods are thread-safe, but the chunks are for a single consumer. One worker thread runs the signer.

    Invariants (checked by the tests):
        - Bounded memory: at most ``max_waiting`` texts are waiting (plus those that ``pause`` put back), and at most
          ``AHEAD`` seconds of motion (plus one chunk and one return to rest) and ``MAX_UNCOLLECTED`` ended texts are
          buffered.
        - Every accepted text yields all its chunks in order, then exactly one None with its outcome, before the first
          chunk of the next text. Only ``close`` cuts this short.
        - The parts of the chunks cover all frames of a motion without gaps. A return to rest is a part of its own and
          ends all other parts.
        - The chunks of a text start and end at rest. If the text is canceled or fails, they continue from the last
          chunk that was taken along a minimum-jerk path to rest.
        - After ``cancel``, canceled texts yield no further chunks except that return to rest.
        - After ``pause`` the same holds, and nothing is signed until ``resume``. An interrupted text is then signed
          again from its start, with frames counted from 0, because half a sentence or half a sign means nothing.

    Args:
        signer: to sign with; warm it up first.
        max_waiting: maximum number of waiting texts.
    """

    def __init__(self, signer: Signer, *, max_waiting: int) -> None:
        self._signer, self._max_waiting = signer, max_waiting
        self._changed = threading.Condition()  # guards everything below
        self._live: list[Utterance] = []  # submitted, and their end not taken yet
        self._waiting: deque[Utterance] = deque()  # those of them that the worker has to start or restart
        self._running: Utterance | None = None  # the one that the worker is signing
        self._items: deque[Item] = deque()
        self._last: tuple[Utterance, Chunk] | None = None  # the last chunk that was taken
        self._paused = False
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="signing engine", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """Number of texts waiting to be signed."""
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
            policy: what to do if other texts are waiting or being signed.
            max_wait: seconds after which it is dropped if it has not been started; 0 is no limit.
            id: identifier of the text; None generates one.

        Raises:
            QueueFullError: ``max_waiting`` texts are waiting and the policy drops none, or ``MAX_UNCOLLECTED`` ended
                texts have not been taken.
        """
        expires = time.monotonic() + max_wait if max_wait > 0 else math.inf
        utterance = Utterance(text, style, id or uuid.uuid4(), expires)
        with self._changed:
            self._expire()
            if len(self._live) >= self._max_waiting + MAX_UNCOLLECTED:
                raise QueueFullError(
                    f"the ends of {MAX_UNCOLLECTED} texts have not been sent yet; is the clock stopped?"
                )
            if policy is Policy.REPLACE:
                self.cancel(DroppedError("superseded by a newer text"))
            elif policy is Policy.DROP_OLDEST and len(self._waiting) >= self._max_waiting:
                oldest = next((p for p in self._waiting if not p.started), None)
                if oldest is not None:
                    self._drop(oldest, DroppedError(f"{self._max_waiting} newer texts are waiting"))
            if len(self._waiting) >= self._max_waiting:
                raise QueueFullError(f"{self._max_waiting} texts are waiting; send it later or raise queue_size")
            self._live.append(utterance)
            self._waiting.append(utterance)
            self._changed.notify_all()
        return utterance

    def cancel(self, reason: Exception | None = None) -> int:
        """End every text that was submitted; a motion in progress returns to rest.

        Args:
            reason: becomes the ``error`` of each text that this cancels.

        Returns:
            Number of texts that were ended.
        """
        with self._changed:
            going = [
                p for p in self._live if self._has_more(p) and not (p.outcome is not None and self._is_returning(p))
            ]
            for utterance in going:
                # A failed text stays failed: only its motion is cut short.
                if utterance.outcome in (None, Outcome.SIGNED):
                    utterance.outcome, utterance.error = Outcome.CANCELED, reason
                self._replace(utterance, [*self._way_out(utterance), (utterance, None)])
            self._waiting.clear()
            self._running = None
            self._changed.notify_all()
            return len(going)

    def pause(self) -> int:
        """Bring a motion in progress to rest, and sign nothing until ``resume``.

        Returns:
            Number of texts that had started and will be signed again from their start.
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
                if ended or (utterance.outcome is Outcome.FAILED and utterance.started):
                    self._replace(utterance, [*self._way_out(utterance), (utterance, None)])
                else:  # including texts refused or failed early: they must not end before those ahead of them
                    utterance.outcome = utterance.error = None
                    self._replace(utterance, self._way_out(utterance))
                    again.append(utterance)
            self._waiting.extendleft(reversed(again))
            self._running = None
            self._changed.notify_all()
            return sum(utterance.started for utterance in again)

    def resume(self) -> None:
        """Continue with the waiting texts."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def take(self, timeout: float) -> Item | None:
        """The next chunk or the end of a text; None if ``timeout`` seconds pass without one."""
        with self._changed:
            self._expire()
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout) or not self._items:
                return None
            utterance, chunk = self._items.popleft()
            if chunk is None:
                self._live.remove(utterance)
            else:
                utterance.started, self._last = True, (utterance, chunk)
            self._changed.notify_all()
            return utterance, chunk

    def close(self) -> None:
        """Stop immediately, even in mid-sentence, and join the worker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    def _has_more(self, utterance: Utterance) -> bool:
        """Whether anything other than its end is still to be taken."""
        own = [chunk for p, chunk in self._items if p is utterance]
        return own != [None]

    def _is_returning(self, utterance: Utterance) -> bool:
        """Whether only its return to rest is still to be taken."""
        if self._last is None or self._last[0] is not utterance or utterance.return_frame is None:
            return False
        return self._last[1].start + len(self._last[1]) >= utterance.return_frame

    def _way_out(self, utterance: Utterance) -> list[Item]:
        """The chunks from its last one that was taken to rest; none if it has not started."""
        if self._is_returning(utterance):
            return [item for item in self._items if item[0] is utterance and item[1] is not None]
        if self._last is None or self._last[0] is not utterance:
            return []
        last = self._last[1]
        utterance.return_frame = last.start + len(last)
        return [(utterance, chunk) for chunk in _way_back(utterance, last)]

    def _replace(self, utterance: Utterance, items: list[Item]) -> None:
        """Replace its items that are still to be taken by ``items``; append them if there are none."""
        others = [item for item in self._items if item[0] is not utterance]
        place = next((k for k, item in enumerate(self._items) if item[0] is utterance), len(others))
        self._items = deque([*others[:place], *items, *others[place:]])

    def _expire(self) -> None:
        """Drop texts that have waited too long."""
        now = time.monotonic()
        for utterance in [p for p in self._waiting if p.expires <= now and not p.started]:
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
            except Exception as error:  # a text that fails must not silence the robot
                refused = last is None and isinstance(error, TextError)
                self._end(utterance, Outcome.REFUSED if refused else Outcome.FAILED, error, last)

    def _next(self) -> Utterance | None:
        """Wait for the next text to sign; None once the engine is closed."""
        with self._changed:
            while not self._closed:
                self._expire()
                if self._waiting and not self._paused:
                    utterance = self._running = self._waiting.popleft()
                    utterance.frames, utterance.first_chunk, utterance.work = 0, 0.0, 0.0
                    utterance.return_frame = None
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
        utterance.warnings = plan.warnings  # for a long text they are complete only now

    def _put(self, utterance: Utterance, chunk: Chunk) -> bool:
        """Wait for room in the buffer; False if the utterance was ended or put back, or the engine was closed."""
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
                    utterance.return_frame = last.start + len(last)
                    self._items.extend((utterance, chunk) for chunk in _way_back(utterance, last))
                self._items.append((utterance, None))
                self._changed.notify_all()


def _way_back(utterance: Utterance, last: Chunk) -> Iterator[Chunk]:
    """Chunks from the end of ``last`` to rest; none if it ended at rest."""
    if last.last:
        return iter(())
    style = utterance.style
    path = to_rest(last.positions[-1], last.velocities[-1], last.fps, style.limits)
    first, *others = chunks([path], last.fps, style.frames_per_chunk, after=last)
    way = Part(REST, "", first.start, first.start + len(path))
    return iter((replace(first, parts=(way,)), *others))
