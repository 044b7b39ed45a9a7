"""SigningEngine: a thread that signs one text after another into a bounded queue of chunks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.text import TextError

AHEAD = 2.0
"""Seconds of motion that may wait to be taken: what bridges a moment in which the machine has no time to sign."""


class QueueFullError(Text2SignError):
    """As many texts wait as may."""


class Outcome(Enum):
    """How a text ended."""

    SIGNED = "signed"
    REFUSED = "refused"
    """It can't be signed; nothing of it was."""
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
class Performance:
    """One text on its way. The engine writes, anyone may read.

    Attributes:
        text, style: as submitted.
        outcome: None until it has ended.
        error: why it was refused or failed.
        warnings: what could not be signed as written; of a long text complete when it has ended.
        frames: signed so far.
        first_chunk: seconds from when the engine turned to this text to its first chunk; 0 before that.
        work: seconds of signing so far, without any waiting.
    """

    text: str
    style: Style
    outcome: Outcome | None = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()
    frames: int = 0
    first_chunk: float = 0.0
    work: float = 0.0


Item = tuple[Performance, Chunk | None]
"""A chunk of a performance, or None: it has ended, and ``outcome`` says how."""


class SigningEngine:
    """Signs texts in the order in which they are submitted, ahead of the one who takes the chunks.

    All methods may be called from any thread, but the chunks are for one taker. One worker thread runs the signer.

    What holds, and the tests hold it to:
        - at most ``max_waiting`` texts wait to be signed, at most ``AHEAD`` seconds of motion (and one chunk more, and
          one way back to rest) wait to be taken: memory does not grow with the text;
        - every text that was accepted gives its chunks, in order and whole, and then exactly one None with its outcome,
          before anything of the next text comes. Only ``close`` cuts that short;
        - the chunks of a text begin and end at rest, also when it is canceled or fails: they then go on from the
          last one along a minimum-jerk path;
        - after ``cancel`` no chunk of what was canceled is given any more, only that way back.

    Args:
        signer: to sign with; warm it up before.
        max_waiting: texts that may wait.
    """

    def __init__(self, signer: Signer, *, max_waiting: int) -> None:
        self._signer, self._max_waiting = signer, max_waiting
        self._changed = threading.Condition()  # guards all below
        self._live: list[Performance] = []  # submitted, and the end not taken yet
        self._waiting: deque[Performance] = deque()  # those of them that the worker has not turned to
        self._items: deque[Item] = deque()
        self._taken: Item | None = None  # the last
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="signing engine", daemon=True)
        self._worker.start()

    def submit(self, text: str, style: Style) -> Performance:
        """Queue a text.

        Raises:
            QueueFullError: ``max_waiting`` texts wait already.
        """
        performance = Performance(text, style)
        with self._changed:
            if len(self._waiting) >= self._max_waiting:
                raise QueueFullError(f"{self._max_waiting} texts are waiting; send it later or raise queue_size")
            self._live.append(performance)
            self._waiting.append(performance)
            self._changed.notify_all()
        return performance

    def cancel(self) -> int:
        """End every text that was submitted; motion that is on its way goes back to rest.

        Returns:
            How many texts that ended.
        """
        with self._changed:
            going = [p for p in self._live if p.outcome is not Outcome.CANCELED and self._has_more(p)]
            kept: deque[Item] = deque()
            for performance in self._live:  # in their order, whatever was canceled before
                if performance not in going:
                    kept.extend(item for item in self._items if item[0] is performance)
                    continue
                # What has failed stays a failure: only its motion is cut short.
                if performance.outcome in (None, Outcome.SIGNED):
                    performance.outcome = Outcome.CANCELED
                if self._taken is not None and self._taken[0] is performance and self._taken[1] is not None:
                    kept.extend((performance, chunk) for chunk in _way_back(performance, self._taken[1]))
                kept.append((performance, None))
            self._items = kept
            self._waiting.clear()
            self._changed.notify_all()
            return len(going)

    def take(self, timeout: float) -> Item | None:
        """The next chunk, or the end of a text; None if there is none within ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout) or not self._items:
                return None
            self._taken = self._items.popleft()
            if self._taken[1] is None:
                self._live.remove(self._taken[0])
            self._changed.notify_all()
            return self._taken

    def close(self) -> None:
        """Stop, in mid-sentence if need be, and wait for the worker's end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()

    def _has_more(self, performance: Performance) -> bool:
        """Whether anything but the end of it is still to be taken."""
        own = [chunk for p, chunk in self._items if p is performance]
        return own != [None]

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                performance = self._waiting.popleft()
            last = None
            try:
                for chunk in self._sign(performance):
                    if not self._put(performance, chunk):
                        break
                    last = chunk
                else:
                    self._end(performance, Outcome.SIGNED)
            except Exception as error:  # one text that fails must not silence the robot
                refused = last is None and isinstance(error, TextError)
                self._end(performance, Outcome.REFUSED if refused else Outcome.FAILED, error, last)

    def _sign(self, performance: Performance) -> Iterator[Chunk]:
        style, began = performance.style, time.perf_counter()
        plan = self._signer.plan(performance.text, max_characters=style.max_characters)
        performance.warnings = plan.warnings
        pieces = self._signer.stream(plan, seed=style.seed, limits=style.limits)
        for chunk in chunks(pieces, self._signer.fps, style.frames_per_chunk):
            now = time.perf_counter()
            performance.work += now - began
            performance.first_chunk = performance.first_chunk or performance.work
            performance.frames += len(chunk)
            yield chunk
            began = time.perf_counter()
        performance.warnings = plan.warnings  # those of a long text are complete only now

    def _put(self, performance: Performance, chunk: Chunk) -> bool:
        """Wait for room; False when the performance, or everything, has ended meanwhile."""
        most = AHEAD * self._signer.fps

        def ended() -> bool:
            return self._closed or performance.outcome is not None

        with self._changed:
            self._changed.wait_for(lambda: ended() or sum(len(c) for _, c in self._items if c is not None) < most)
            if ended():
                return False
            self._items.append((performance, chunk))
            self._changed.notify_all()
            return True

    def _end(
        self, performance: Performance, outcome: Outcome, error: Exception | None = None, last: Chunk | None = None
    ) -> None:
        with self._changed:
            if performance.outcome is None:
                performance.outcome, performance.error = outcome, error
                if last is not None:
                    self._items.extend((performance, chunk) for chunk in _way_back(performance, last))
                self._items.append((performance, None))
                self._changed.notify_all()


def _way_back(performance: Performance, last: Chunk) -> Iterator[Chunk]:
    """From the end of ``last`` to rest; nothing if it ended there."""
    if last.last:
        return iter(())
    style = performance.style
    path = to_rest(last.positions[-1], last.velocities[-1], last.fps, style.limits)
    return chunks([path], last.fps, style.frames_per_chunk, after=last)
