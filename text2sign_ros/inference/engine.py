"""SigningEngine: a thread that signs one text after another into a bounded queue of chunks."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.flight import Flight, Recall
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.motion.timeline import REST, Part, Timeline
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text import Plan

AHEAD = 2.0
"""Seconds of motion to buffer for the consumer: bridges moments in which the machine is too busy to sign."""
MAX_UNPLAYED = 100
"""Texts that may be sent but not played yet, in addition to waiting texts: a clock that stands must not let memory
grow."""


class QueueFullError(Text2SignError):
    """The queue of waiting texts is full."""


class DroppedError(Text2SignError):
    """A text expired or was superseded before it was signed."""


class UnseenError(Text2SignError):
    """A text was sent, and nobody received it."""


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
    """All of it was played."""
    UNSEEN = "unseen"
    """All of it was sent, but nobody received it."""
    REFUSED = "refused"
    """It can't be signed, and was not accepted."""
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
        outcome: how it ended, or will have ended once it is played; None before that is known.
        error: why it was dropped, superseded, unseen or failed.
        warnings: what could not be signed as written; complete for a long text once it has ended.
        started: whether any of its chunks was taken.
        frames: number of frames signed so far.
        first_chunk: seconds from when the engine started on this text to its first chunk; 0 before that.
        work: seconds of signing so far, waiting excluded.
        return_frame: frame from which the motion returns straight to rest, or None.
        origin: stamp that its frame 0 has by the last chunk that was sent, nanoseconds; None before.
        unseen: number of frames sent that nobody received.
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
    origin: int | None = None
    unseen: int = 0


class Notice(Enum):
    """What is to be known about an utterance between chunks."""

    END = "end"
    """Nothing more of it is to be sent, see ``outcome``."""
    RECALLED = "recalled"
    """All that was sent of it was taken back before it was played."""


Item = tuple[Utterance, Chunk | Notice]


def sign(signer: Signer, plan: Plan, style: Style) -> Iterator[Chunk]:
    """The chunks of a plan with their parts, signed as they are asked for."""
    timeline = Timeline()
    pieces = signer.stream(plan, seed=style.seed, limits=style.limits, timeline=timeline)
    for chunk in chunks(pieces, signer.fps, style.frames_per_chunk):
        yield replace(chunk, parts=timeline.take(chunk.start + len(chunk)))


def never() -> int:
    """For a consumer from which no motion can be taken back."""
    return 2**63


class SigningEngine:
    """Signs texts in the order of submission, ahead of the consumer of the chunks.

    All methods are thread-safe, but the chunks are for a single consumer, which looks at the next one (``peek``), takes
    it when it sends it (``take``), and asks what has been played (``played``). One worker thread runs the signer.

    Invariants (checked by the tests):
        - Bounded memory: at most ``max_waiting`` texts are waiting (plus those that were put back), at most ``AHEAD``
          seconds of motion (plus one chunk and one return to rest) are buffered, and at most ``MAX_UNPLAYED`` texts
          are sent and not played. What was sent is kept until it is played.
        - Every accepted text yields all its chunks in order, then exactly one ``END`` with its outcome, before the
          first chunk of the next text. It ends when its last point is played. Only ``close`` cuts this short.
        - The parts of the chunks cover all frames of a motion without gaps. A return to rest is a part of its own and
          ends all other parts.
        - The chunks of a text start and end at rest. If the text is canceled or fails, they continue along a
          minimum-jerk path to rest, after a cancellation from the last frame that is played before ``edge()``: its
          first chunk then starts before the end of the last one, which it replaces from there on. A text of which
          nothing was played by then yields a chunk at rest from its frame 0 on. If that chunk is taken too late to
          replace anything, another path takes its place, from where the motion has come to.
        - After ``cancel``, canceled texts yield no further chunks except that return to rest. A text that was sent
          after one that is canceled, and so was taken back with it, is signed again from its start.
        - After ``pause`` the same holds, and nothing is signed until ``resume``. An interrupted text is then signed
          again from its start, with frames counted from 0, because half a sentence or half a sign means nothing.

    Args:
        signer: to sign with; warm it up first.
        max_waiting: maximum number of waiting texts.
        edge: returns the earliest time, on the clock of the stamps, at which consumers can still follow another motion
            than the one that was sent.
    """

    def __init__(self, signer: Signer, *, max_waiting: int, edge: Callable[[], int] = never) -> None:
        self._signer, self._max_waiting, self._edge = signer, max_waiting, edge
        self._changed = threading.Condition()  # guards everything below
        self._live: list[Utterance] = []  # submitted, and their end not played yet
        self._plans: dict[Utterance, Plan] = {}  # of the live ones
        self._waiting: deque[Utterance] = deque()  # those of them that the worker has to start or restart
        self._running: Utterance | None = None  # the one that the worker is signing
        self._items: deque[Item] = deque()  # to be taken
        self._flight = Flight[Utterance]()  # taken, and not played yet
        self._recalled = 0  # edge at which motion was last taken back
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
        """Whether every text has ended."""
        return not self._live

    @property
    def all_sent(self) -> bool:
        """Whether nothing is waiting, being signed or to be sent; what was sent may still be played."""
        return not self._waiting and self._running is None and not self._items

    @property
    def in_flight(self) -> bool:
        """Whether something was sent that is not played yet."""
        return len(self._flight) > 0

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
            TextError: nothing in the text can be signed, or it is too long.
            QueueFullError: ``max_waiting`` texts are waiting and the policy drops none, or ``MAX_UNPLAYED`` texts were
                sent and are not played.
        """
        plan = self._signer.plan(text, max_characters=style.max_characters)
        expires = time.monotonic() + max_wait if max_wait > 0 else math.inf
        utterance = Utterance(text, style, id or uuid.uuid4(), expires, warnings=plan.warnings)
        with self._changed:
            self._expire()
            if len(self._live) >= self._max_waiting + MAX_UNPLAYED:
                raise QueueFullError(
                    f"{MAX_UNPLAYED} texts have not been played yet; is the clock stopped, or lead_time very long?"
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
            self._plans[utterance] = plan
            self._waiting.append(utterance)
            self._changed.notify_all()
        return utterance

    def cancel(self, reason: Exception | None = None, *, only: uuid.UUID | None = None) -> int:
        """End texts that were submitted; a motion in progress returns to rest.

        Args:
            reason: becomes the ``error`` of each text that this cancels.
            only: the one to end, while the others are signed; None ends all.

        Returns:
            Number of texts that were ended. One of which only the return to rest is left is not.
        """
        with self._changed:
            first = None
            if only is not None:
                first = next((p for p in self._live if p.id == only), None)
                if first is None:
                    return 0
            canceled, _ = self._interrupt(lambda p: first in (None, p), first, reason)
            return canceled

    def pause(self) -> int:
        """Bring a motion in progress to rest, and sign nothing until ``resume``.

        Returns:
            Number of texts that had started and will be signed again from their start.
        """
        with self._changed:
            if self._paused:
                return 0
            self._paused = True
            _, again = self._interrupt(lambda _: False)
            return sum(utterance.started for utterance in again)

    def resume(self) -> None:
        """Continue with the waiting texts."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def peek(self, timeout: float) -> Item | None:
        """The next chunk or notice, which stays the next; None if ``timeout`` seconds pass without one."""
        with self._changed:
            self._expire()
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            return self._items[0] if self._items else None

    def take(self, item: Item, stamp: int = 0, *, seen: bool = True) -> bool:
        """Take ``item``, which ``peek`` returned.

        Args:
            item: a chunk that is sent now, or a notice.
            stamp: of the chunk's first point, nanoseconds.
            seen: whether anybody receives the chunk.

        Returns:
            Whether it was still the next, and not too late to replace what was sent. If not, it must not be sent.
        """
        utterance, chunk = item
        with self._changed:
            if not self._items or self._items[0] is not item:
                return False
            if isinstance(chunk, Chunk) and self._is_too_late(utterance, chunk, stamp):
                self._turn_later(utterance)
                return False
            self._items.popleft()
            if isinstance(chunk, Chunk):
                utterance.started, utterance.origin = True, stamp - chunk.start_time
                utterance.unseen += 0 if seen else len(chunk)
                if utterance.return_frame is None:
                    utterance.return_frame = next((part.start for part in chunk.parts if part.kind == REST), None)
                self._flight.add(utterance, chunk, stamp, utterance.return_frame)
            elif chunk is Notice.END:
                self._flight.end(utterance)
            self._changed.notify_all()
            return True

    def played(self, now: int) -> list[Utterance]:
        """The texts that have ended since the last call: those whose last point is reached at ``now`` (nanoseconds)."""
        with self._changed:
            return [self._settle(utterance) for utterance in self._flight.played(now)]

    def forget(self) -> list[Utterance]:
        """The clock has jumped back, and consumers have discarded all that they had: returns texts that have ended."""
        with self._changed:
            ended = [self._settle(utterance) for utterance in self._flight.forget()]
            for utterance in ended:
                utterance.warnings += ("the clock jumped back before the end of it was played",)
            for utterance in self._live:
                utterance.origin = None
            return ended

    def close(self) -> None:
        """Stop immediately, even in mid-sentence, and join the worker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    def _settle(self, utterance: Utterance) -> Utterance:
        """It has ended."""
        self._live.remove(utterance)
        del self._plans[utterance]
        if utterance.outcome is Outcome.SIGNED and utterance.unseen:
            if utterance.unseen >= utterance.frames:
                utterance.outcome = Outcome.UNSEEN
                utterance.error = UnseenError("nobody subscribed to the trajectory: nobody saw it")
            else:
                share = f"{utterance.unseen} of its {utterance.frames} frames"
                utterance.warnings += (f"nobody subscribed to the trajectory for {share}",)
        return utterance

    def _interrupt(
        self, is_canceled: Callable[[Utterance], bool], first: Utterance | None = None, reason: Exception | None = None
    ) -> tuple[int, list[Utterance]]:
        """Take back what consumers can still replace, end some texts, and put back all others that lost something.

        Args:
            is_canceled: which texts to end.
            first: if given, the only one of these, and texts before it stay as they are.
            reason: why they are ended.

        Returns:
            Number of texts that were ended, and those that were put back.
        """
        self._recalled = self._edge()
        recall = self._flight.recall(self._recalled, first)
        concerned = list(self._live)
        if first is not None:
            begin = self._live.index(first)
            concerned = self._live[begin:] if len(recall.owners) > 1 else [first]
        canceled: list[Utterance] = []
        again: list[Utterance] = []
        for p in concerned:
            ends = is_canceled(p)
            if p not in recall.owners and (
                self._flight.has_ended(p)
                or (not again and not self._has_more(p))
                or (p.outcome is not None and self._is_returning(p))
                or (not ends and p in self._waiting)
            ):
                continue
            way = self._way_out(p, recall)
            if ends:
                # A failed text stays failed: only its motion is cut short.
                if p.outcome in (None, Outcome.SIGNED):
                    p.outcome, p.error = Outcome.CANCELED, reason
                canceled.append(p)
                self._replace(p, [*way, (p, Notice.END)])
            elif p.outcome in (Outcome.CANCELED, Outcome.DROPPED) or (p.outcome is Outcome.FAILED and p.started):
                self._replace(p, [*way, (p, Notice.END)])
            else:  # including texts that failed before their first chunk: they must not end before those ahead of them
                p.outcome = p.error = None
                self._replace(p, way)
                again.append(p)
        self._waiting = deque([*again, *(p for p in self._waiting if p not in canceled)])
        if self._running in canceled or self._running in again:
            self._running = None
        self._changed.notify_all()
        return len(canceled), again

    def _is_too_late(self, utterance: Utterance, chunk: Chunk, stamp: int) -> bool:
        """Whether consumers will have played what ``chunk`` was to replace before ``stamp``, its first point."""
        replaces = self._flight.is_replaced(utterance) and (chunk.start > 0 or utterance.return_frame == 0)
        return replaces and utterance.origin is not None and stamp > utterance.origin + chunk.start_time

    def _turn_later(self, utterance: Utterance) -> None:
        """The path to rest at the front came too late: replace it by one from further on."""
        edge = self._edge()
        edge += 2 * (edge - self._recalled)  # more time with each try, so that one of them is in time
        recall = self._flight.recall_later(edge, utterance)
        while not (isinstance(chunk := self._items.popleft()[1], Chunk) and chunk.last):
            pass
        utterance.return_frame = recall.frame
        self._items.extendleft(reversed(self._way_back(utterance, recall.base)))
        self._changed.notify_all()

    def _has_more(self, utterance: Utterance) -> bool:
        """Whether chunks of it are still to be taken or signed."""
        coming = any(p is utterance and isinstance(chunk, Chunk) for p, chunk in self._items)
        return coming or utterance is self._running or utterance in self._waiting

    def _is_returning(self, utterance: Utterance) -> bool:
        """Whether only its return to rest is still to be taken, and all of that is there."""
        own = [chunk for p, chunk in self._items if p is utterance and isinstance(chunk, Chunk)]
        if utterance.return_frame is None:
            return False
        if own:
            return own[0].start >= utterance.return_frame and own[-1].last
        last = self._flight.last
        return last is not None and last[0] is utterance and last[1].last

    def _way_out(self, utterance: Utterance, recall: Recall[Utterance]) -> list[Item]:
        """The chunks that lead it to rest from what consumers keep of it; none if it has not started."""
        if utterance in recall.owners[1:]:
            utterance.return_frame = None
            return [(utterance, Notice.RECALLED)]
        if utterance in recall.owners:
            utterance.return_frame = recall.frame
            return self._way_back(utterance, recall.base)
        if self._is_returning(utterance):
            return [item for item in self._items if item[0] is utterance and isinstance(item[1], Chunk)]
        last = self._flight.last
        if last is None or last[0] is not utterance:
            return []
        utterance.return_frame = last[1].start + len(last[1])
        return self._way_back(utterance, last[1])

    def _way_back(self, utterance: Utterance, base: Chunk | None) -> list[Item]:
        """Chunks from the end of ``base`` (None: from rest, as frame 0) to rest; none if it ends there."""
        if base is not None and base.last:
            return []
        style, fps = utterance.style, self._signer.fps
        position, velocity = REST_POSE, np.zeros_like(REST_POSE)
        if base is not None:
            position, velocity = base.positions[-1], base.velocities[-1]
        path = to_rest(position, velocity, fps, style.limits)
        first, *others = chunks([path], fps, style.frames_per_chunk, after=base)
        way = Part(REST, "", first.start, first.start + len(path))
        return [(utterance, chunk) for chunk in (replace(first, parts=(way,)), *others)]

    def _replace(self, utterance: Utterance, items: list[Item]) -> None:
        """Replace what is still to be taken of it by ``items``, before those of later texts."""
        notices = [item for item in self._items if item[0] is utterance and item[1] is Notice.RECALLED]
        others = [item for item in self._items if item[0] is not utterance]
        later = self._live[self._live.index(utterance) + 1 :]
        place = next((k for k, item in enumerate(others) if item[0] in later), len(others))
        self._items = deque([*others[:place], *notices, *items, *others[place:]])

    def _expire(self) -> None:
        """Drop texts that have waited too long."""
        now = time.monotonic()
        for utterance in [p for p in self._waiting if p.expires <= now and not p.started]:
            self._drop(utterance, DroppedError("it waited longer than max_wait allows"))

    def _drop(self, utterance: Utterance, reason: DroppedError) -> None:
        utterance.outcome, utterance.error = Outcome.DROPPED, reason
        self._waiting.remove(utterance)
        self._items.append((utterance, Notice.END))
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
                self._end(utterance, Outcome.FAILED, error, last)

    def _next(self) -> Utterance | None:
        """Wait for the next text to sign; None once the engine is closed."""
        with self._changed:
            while not self._closed:
                self._expire()
                if self._waiting and not self._paused:
                    utterance = self._running = self._waiting.popleft()
                    utterance.frames, utterance.first_chunk, utterance.work = 0, 0.0, 0.0
                    utterance.return_frame, utterance.unseen = None, 0
                    return utterance
                self._changed.wait()
            return None

    def _sign(self, utterance: Utterance) -> Iterator[Chunk]:
        plan, began = self._plans[utterance], time.perf_counter()
        for chunk in sign(self._signer, plan, utterance.style):
            now = time.perf_counter()
            utterance.work += now - began
            utterance.first_chunk = utterance.first_chunk or utterance.work
            utterance.frames += len(chunk)
            utterance.warnings = plan.warnings  # for a long text they are complete only at its end
            yield chunk
            began = time.perf_counter()
        utterance.warnings = plan.warnings

    def _put(self, utterance: Utterance, chunk: Chunk) -> bool:
        """Wait for room in the buffer; False if the utterance was ended or put back, or the engine was closed."""
        most = AHEAD * self._signer.fps

        def ended() -> bool:
            return self._closed or self._running is not utterance

        def buffered() -> int:
            return sum(len(chunk) for _, chunk in self._items if isinstance(chunk, Chunk))

        with self._changed:
            self._changed.wait_for(lambda: ended() or buffered() < most)
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
                    self._items.extend(self._way_back(utterance, last))
                self._items.append((utterance, Notice.END))
                self._changed.notify_all()
