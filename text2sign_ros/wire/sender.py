"""Sender: a thread that takes the engine's chunks and publishes each when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from text2sign_ros.inference.engine import SigningEngine, Utterance
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

    def closed(self) -> bool:
        """Whether nothing can be sent any more because the process is ending, which is no failure."""
        ...


class Observer(Protocol):
    """Receives reports of what was sent. Called by the sender's thread."""

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int, *, late: bool) -> None:
        """A chunk was sent; it is late if its stamp had passed by then, or does not follow the previous chunk."""
        ...

    def moved(self, stamp: int, due: int) -> None:
        """The motion of a text goes on at ``stamp`` instead of ``due``."""
        ...

    def ended(self, utterance: Utterance) -> None:
        """All of a text was sent."""
        ...

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        """A chunk could not be sent."""
        ...


class Sender:
    """Sends what the engine signs, from ``start`` until ``finish`` or ``stop``.

    Args:
        engine: whose only consumer is this sender.
        schedule: of the stamps; the sender's thread owns it until ``stop``.
        sink: where the chunks go.
        observer: receives reports.
    """

    def __init__(self, engine: SigningEngine, schedule: Schedule, sink: ChunkSink, observer: Observer) -> None:
        self._engine, self._schedule, self._sink, self._observer = engine, schedule, sink, observer
        self._finishing, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def finish(self, keep_waiting: Callable[[], bool]) -> bool:
        """Wait until everything that the engine has is sent; submit nothing meanwhile.

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
            item = self._engine.take(timeout=0.02 if self._finishing.is_set() else 0.2)  # then see whether to stop
            if item is None:
                if self._finishing.is_set() and self._engine.idle:
                    return
                continue
            utterance, chunk = item
            try:
                if chunk is None:
                    self._observer.ended(utterance)
                elif not self._send(utterance, chunk):
                    return
            except Exception as error:  # a chunk that can't be sent must not stop the ones after it
                if not self._sink.closed():
                    self._observer.send_failed(utterance, error)

    def _send(self, utterance: Utterance, chunk: Chunk) -> bool:
        """Publish ``chunk`` when it is due; False when the sender is stopped before that."""
        sink = self._sink
        if chunk.start == 0:
            self._schedule.begin()
        due = self._schedule.end
        while not self._stopping.is_set():
            now = sink.now()
            wait = POLL
            if now > 0:  # a simulated clock shows zero until it starts
                stamp = self._schedule.stamp(chunk.start_time, now, sink.start_delay())
                wait = (stamp - sink.lead_time() - now) / 1e9
                if wait <= 0:
                    sink.publish(chunk, stamp)
                    self._schedule.sent(chunk.end_time)
                    off = chunk.start > 0 and stamp != due
                    self._observer.sent(utterance, chunk, stamp, late=off or sink.now() > stamp)
                    if off:
                        self._observer.moved(stamp, due)
                    return True
            self._stopping.wait(min(wait, POLL))
        return False
