"""Goal: one text that a client submitted, its chunks and captions, and its result."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from text2sign_ros.clip import SignClip
from text2sign_ros.wire.captions import Captions
from text2sign_ros.wire.client_errors import ClientError
from text2sign_ros.wire.textlog import quote
from text2sign_ros.wire.tracker import Arrival, Status, Track, gaps
from text2sign_ros.wire.trajectory import Trajectory

if TYPE_CHECKING:
    from text2sign_ros.ros.client import SignerClient


@dataclass(frozen=True)
class Result:
    """How a text ended.

    Attributes:
        status: SUCCEEDED (all of it was played), CANCELED or ABORTED.
        reason: why it was canceled or aborted, if known.
        warnings: what could not be signed as written.
    """

    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all of it was played."""
        return self.status is Status.SUCCEEDED


class Goal:
    """A text that was submitted: one goal on ``~/status``. Thread-safe.

    Created by ``SignerClient.submit``; readable also after it has ended, and after the client was closed.

    Attributes:
        text: as submitted.
        sent_at: when it was published, by ``time.perf_counter``.
    """

    def __init__(self, client: SignerClient, track: Track) -> None:
        self._client, self._track = client, track
        self.text, self.sent_at = track.text, time.perf_counter()
        self._end: Result | ClientError | None = None
        self._ended_at = 0.0  # by time.monotonic, when it was first seen to have ended; 0 before
        self._callbacks: list[Callable[[Goal], object]] = []

    @property
    def id(self) -> uuid.UUID | None:
        """The goal id; None until the signer has published it."""
        return self._track.id

    @property
    def status(self) -> Status:
        """The state of the text; UNKNOWN until the signer has published it."""
        return self._track.status

    @property
    def done(self) -> bool:
        """Whether it has ended and all its chunks were received, or the signer is gone."""
        return self._end is not None

    @property
    def captions(self) -> Captions | None:
        """The latest captions: its parts with frames and stamps, warnings, how it ended; None if none were received."""
        return self._track.captions

    @property
    def stamp_ns(self) -> int:
        """When its first chunk is to be played, in nanoseconds of the ROS clock; 0 before it has started."""
        return self._track.stamp_ns

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Its motion so far, with times of arrival: since it last started, and without what was taken back."""
        with self._client._changed:
            return tuple(self._track.current)

    @property
    def chunks(self) -> tuple[Trajectory, ...]:
        """The same, without times of arrival."""
        return tuple(arrival.chunk for arrival in self.arrivals)

    @property
    def frames(self) -> int:
        """Number of frames received."""
        return sum(len(chunk.positions) for chunk in self.chunks)

    @property
    def late(self) -> int:
        """How many chunks were received after their stamp, by the clock of this client's node."""
        return sum(arrival.late for arrival in self.arrivals)

    def gaps(self) -> list[int]:
        """Nanoseconds between the end of each chunk and the stamp of the next: all zero in a continuous motion.

        Raises:
            WaitError: the signer has not published its frames per second.
        """
        return gaps(self.chunks, self._client.layout().fps)

    def result(self, timeout: float = 60.0) -> Result:
        """Wait until it has ended and all its chunks were received; returns how it ended.

        Raises:
            WaitError: that takes more than ``timeout`` seconds.
            SignerGoneError: the signer ended before the text.
        """
        self._client.wait_for(lambda: self._end, timeout, f"the end of {quote(self.text)}")
        assert self._end is not None
        if isinstance(self._end, ClientError):
            raise self._end
        return self._end

    def follow(self, timeout: float = 20.0) -> Iterator[Arrival]:
        """Its chunks as they arrive, until the last; after a pause the text starts again from its first chunk.

        One that starts before the end of the one before replaces what was sent from there on.

        Raises:
            WaitError: no chunk came for ``timeout`` seconds.
            SignerGoneError: the signer ended before the text.
            ClientError: the client does not receive the motion.
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
        """Its motion, once it has ended; of a canceled text the part that was played, and the return to rest.

        Raises:
            ClientError: nothing of it was signed (the message says why), or the client does not receive the motion.
            WaitError, SignerGoneError: as ``result``.
        """
        self._client._needs_motion()
        result, chunks = self.result(timeout), self.chunks
        if not chunks:
            raise ClientError(f"nothing of {quote(self.text)} was signed: {result.reason or result.status.name}")
        positions = np.concatenate([chunk.positions for chunk in chunks])
        return SignClip(positions, np.ones(positions.shape[:2], np.float32), self._client.layout().fps)

    def add_done_callback(self, callback: Callable[[Goal], object]) -> None:
        """Call ``callback(goal)`` when it is done: immediately if it is, else in the thread that spins the node.

        Exceptions that it raises there are logged.
        """
        with self._client._changed:
            if self._end is None:
                self._callbacks.append(callback)
                return
        callback(self)
