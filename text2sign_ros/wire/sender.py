"""Sender: a thread that takes the engine's chunks and publishes each when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from text2sign_ros.inference.engine import Item, Notice, SigningEngine, Utterance
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.wire.schedule import Schedule

POLL = 0.02
"""Seconds between looks at the clock while waiting: it may be simulated, and stop or jump at any time."""
CLOCK_STOPPED_AFTER = 2.0
"""Seconds after which a clock that has not advanced counts as stopped."""


class ChunkSink(Protocol):
    """Where chunks go, and the clock of their stamps. Called by the sender's thread; ``now`` by any thread."""

    def now(self) -> int:
        """Nanoseconds of the clock of the stamps; 0 while it shows no time yet."""
        ...

    def lead_time(self) -> int:
        """Nanoseconds that a chunk is sent ahead of its stamp."""
        ...

    def start_delay(self) -> int:
        """Nanoseconds from the first chunk being ready to its stamp."""
        ...

    def publish(self, chunk: Chunk, stamp: int) -> None:
        """Send a chunk whose first point is at ``stamp``."""
        ...

    def receivers(self) -> int:
        """How many consumers receive what is published."""
        ...

    def closed(self) -> bool:
        """Whether nothing can be sent any more because the process is ending, which is no failure."""
        ...


class Observer(Protocol):
    """Receives reports of what was sent. Called by the sender's thread."""

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int, *, late: bool) -> None:
        """A chunk was sent; it is late if its stamp had passed by then, or it was rescheduled."""
        ...

    def moved(self, stamp: int, due: int) -> None:
        """The motion of a text goes on at ``stamp`` instead of ``due``."""
        ...

    def recalled(self, utterance: Utterance) -> None:
        """All that was sent of a text was taken back before it was played."""
        ...

    def ended(self, utterance: Utterance) -> None:
        """A text ended: its last point was played, or it has none."""
        ...

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        """A chunk, or a report of it, could not be sent."""
        ...


def edge(sink: ChunkSink) -> int:
    """The earliest stamp at which consumers can follow another motion than what was sent, see ``SigningEngine``."""
    return sink.now() + sink.start_delay() + round(POLL * 1e9)


class Sender:
    """Sends what the engine signs, and notes when it was played, from ``start`` until ``finish`` or ``stop``.

    Args:
        engine: whose only consumer is this sender.
        schedule: of the stamps; the sender's thread owns it until ``stop``.
        sink: where the chunks go.
        observer: receives reports.
    """

    def __init__(self, engine: SigningEngine, schedule: Schedule, sink: ChunkSink, observer: Observer) -> None:
        self._engine, self._schedule, self._sink, self._observer = engine, schedule, sink, observer
        self._next: Item | None = None  # what is to be sent next
        self._due: int | None = None  # the stamp that it should have; None if it starts a text
        self._end = 0  # of the last chunk that was sent
        self._finishing, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def finish(self, keep_waiting: Callable[[], bool]) -> bool:
        """Wait until everything that the engine has was played; submit nothing meanwhile.

        Returns:
            Whether it was: False if ``keep_waiting()`` becomes false, or the clock is not advancing.
        """
        self._finishing.set()
        seen, since = self._sink.now(), time.monotonic()
        while self._thread.is_alive():
            self._thread.join(POLL)
            if (now := self._sink.now()) != seen:
                seen, since = now, time.monotonic()
            if not keep_waiting() or time.monotonic() - since > CLOCK_STOPPED_AFTER:
                return False
        return True

    def stop(self) -> None:
        """Stop sending, in mid-sentence if need be, and wait for the thread to end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            item = self._engine.peek(POLL if self._finishing.is_set() or self._engine.in_flight else 0.2)
            now = self._sink.now()
            for utterance in self._ended(now):
                with self._reporting(utterance):
                    self._observer.ended(utterance)
            if item is not None:
                with self._reporting(item[0]):
                    self._stopping.wait(self._advance(item, now))
            elif self._finishing.is_set() and self._engine.idle:
                return

    @contextmanager
    def _reporting(self, utterance: Utterance) -> Iterator[None]:
        """A chunk that can't be sent must not stop the ones after it."""
        try:
            yield
        except Exception as error:
            if not self._sink.closed():
                self._observer.send_failed(utterance, error)

    def _ended(self, now: int) -> list[Utterance]:
        """The texts that have ended."""
        return self._engine.forget() if self._schedule.jumped_back(now) else self._engine.played(now)

    def _advance(self, item: Item, now: int) -> float:
        """Send ``item`` if it is due; returns the seconds to wait before the next look at what is next."""
        utterance, chunk = item
        if isinstance(chunk, Notice):
            if self._engine.take(item) and chunk is Notice.RECALLED:
                self._observer.recalled(utterance)
            return 0.0
        sink, schedule = self._sink, self._schedule
        if item is not self._next:
            self._next, self._due = item, None
            if chunk.start > 0 or utterance.return_frame == 0:
                self._due = schedule.resume(utterance.origin, chunk.start_time) or self._end
            else:
                schedule.begin()
        if now == 0:  # a simulated clock shows zero until it starts
            return POLL
        stamp = schedule.stamp(chunk.start_time, now, sink.start_delay())
        wait = (stamp - sink.lead_time() - now) / 1e9
        if wait > 0:
            return min(wait, POLL)
        if self._engine.take(item, stamp, seen=sink.receivers() > 0):
            sink.publish(chunk, stamp)
            schedule.sent(chunk.end_time)
            self._end = stamp + chunk.end_time - chunk.start_time
            moved = self._due is not None and stamp != self._due
            self._observer.sent(utterance, chunk, stamp, late=moved or sink.now() > stamp)
            if self._due is not None and moved:
                self._observer.moved(stamp, self._due)
        return 0.0
