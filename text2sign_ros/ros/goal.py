"""Goal: one text that a client submitted, its chunks and captions, and its result."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from text2sign_ros.clip import SignClip
from text2sign_ros.ros.client_errors import ClientError
from text2sign_ros.wire.captions import Captions
from text2sign_ros.wire.textlog import quote
from text2sign_ros.wire.tracker import Arrival, Status, Track, gaps
from text2sign_ros.wire.trajectory import Trajectory

if TYPE_CHECKING:
    from text2sign_ros.ros.client import SignerClient


@dataclass(frozen=True)
class Result:
    """How a text ended.

    Attributes:
        status: SUCCEEDED (all of it was sent), CANCELED or ABORTED.
        reason: why it was canceled or aborted, as far as the signer tells.
        warnings: what could not be signed as written.
    """

    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all of it was sent."""
        return self.status is Status.SUCCEEDED


class Goal:
    """A text that was submitted: one goal on ``~/status``. Thread-safe.

    ``SignerClient.submit`` makes it; it stays readable after it has ended, and after the client was closed.

    Attributes:
        text: as submitted.
        sent_at: when it was published, by ``time.perf_counter``.
    """

    def __init__(self, client: SignerClient, track: Track) -> None:
        self._client, self._track = client, track
        self.text, self.sent_at = track.text, time.perf_counter()
        self._end: Result | ClientError | None = None
        self._ended_at = 0.0  # by time.monotonic, when it was first seen that it has ended; 0 before
        self._callbacks: list[Callable[[Goal], object]] = []

    @property
    def id(self) -> uuid.UUID | None:
        """Of the goal; None until the signer has told it."""
        return self._track.id

    @property
    def status(self) -> Status:
        """How it stands: UNKNOWN until the signer has told."""
        return self._track.status

    @property
    def done(self) -> bool:
        """Whether it has ended and all its chunks are here, or the signer is gone."""
        return self._end is not None

    @property
    def captions(self) -> Captions | None:
        """The last captions: its parts with frames and stamps, warnings, how it ended; None where none have come."""
        return self._track.captions

    @property
    def stamp_ns(self) -> int:
        """When its first chunk is to be played, in nanoseconds of the ROS clock; 0 before it has begun."""
        return self._track.stamp_ns

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Its chunks so far, with when they came; of a text that began again after a pause only those since then."""
        with self._client._changed:
            return tuple(self._track.current)

    @property
    def chunks(self) -> tuple[Trajectory, ...]:
        """The same without when they came."""
        return tuple(arrival.chunk for arrival in self.arrivals)

    @property
    def frames(self) -> int:
        """How many frames these have."""
        return sum(len(chunk.positions) for chunk in self.chunks)

    @property
    def late(self) -> int:
        """How many of these came after their stamp, by the clock of this client's node."""
        return sum(arrival.late for arrival in self.arrivals)

    def gaps(self) -> list[int]:
        """Nanoseconds between the end of each chunk and the stamp of the next: zeros in a motion without a break.

        Raises:
            WaitError: the signer has not told its frames per second.
        """
        return gaps(self.chunks, self._client.layout().fps)

    def result(self, timeout: float = 60.0) -> Result:
        """How it ended, once it has, and all its chunks are here.

        Raises:
            WaitError: that takes more than ``timeout`` seconds.
            SignerGoneError: the signer has ended before the text.
        """
        self._client.wait_for(lambda: self._end, timeout, f"the end of {quote(self.text)}")
        assert self._end is not None
        if isinstance(self._end, ClientError):
            raise self._end
        return self._end

    def follow(self, timeout: float = 20.0) -> Iterator[Arrival]:
        """Its chunks as they come, to the last; after a pause the text begins again from its first chunk.

        Raises:
            WaitError: no chunk came for ``timeout`` seconds.
            SignerGoneError: the signer has ended before the text.
            ClientError: the client gets no motion.
        """
        self._client._needs_motion()
        seen = 0
        while True:

            def more(seen: int = seen) -> bool:
                return len(self._track.arrivals) > seen or self._end is not None

            self._client.wait_for(more, timeout, f"the next chunk of {quote(self.text)}")
            with self._client._changed:
                new, end = self._track.arrivals[seen:], self._end
            if not new:
                if isinstance(end, ClientError):
                    raise end
                return
            yield from new
            seen += len(new)

    def clip(self, timeout: float = 60.0) -> SignClip:
        """Its motion, once it has ended; of a canceled text what was sent of it, and the way back to rest.

        Raises:
            ClientError: nothing of it was signed, and the message has the reason; or the client gets no motion.
            WaitError, SignerGoneError: as ``result``.
        """
        self._client._needs_motion()
        result, chunks = self.result(timeout), self.chunks
        if not chunks:
            raise ClientError(f"nothing of {quote(self.text)} was signed: {result.reason or result.status.name}")
        positions = np.concatenate([chunk.positions for chunk in chunks])
        return SignClip(positions, np.ones(positions.shape[:2], np.float32), self._client.layout().fps)

    def add_done_callback(self, callback: Callable[[Goal], object]) -> None:
        """Call ``callback(goal)`` once it is done: at once if it is, else in the thread that spins the node.

        What it raises there is logged.
        """
        with self._client._changed:
            if self._end is None:
                self._callbacks.append(callback)
                return
        callback(self)
