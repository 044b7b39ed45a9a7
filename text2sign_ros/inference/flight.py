"""Flight: the chunks that were sent and are still to be played, and what of them can be taken back."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from text2sign_ros.motion.chunks import Chunk, frame_time

Owner = TypeVar("Owner")


class Recall(NamedTuple, Generic[Owner]):
    """What was taken back.

    Attributes:
        owners: whose chunks, in order; all chunks of all but the first.
        frame: number of the first frame of the first owner that was taken back.
        base: the chunk that ends before that frame; None if it is frame 0.
    """

    owners: tuple[Owner, ...] = ()
    frame: int = 0
    base: Chunk | None = None


class _Sent(NamedTuple, Generic[Owner]):
    owner: Owner
    chunk: Chunk | None  # None: its end
    stamp: int  # of the first point; of an end: when it is reached
    returns: int | None  # frame from which the motion only returns to rest

    @property
    def times(self) -> np.ndarray:
        """When its points are played, (n,) int64."""
        assert self.chunk is not None
        frames = self.chunk.start + np.arange(len(self.chunk))
        return self.stamp + frame_time(frames, self.chunk.fps) - self.chunk.start_time

    @property
    def last_time(self) -> int:
        """When its last point is played."""
        return int(self.times[-1])

    def frames_before(self, time: int) -> int:
        """How many of its points are played before ``time``."""
        return int(np.searchsorted(self.times, time))

    def is_kept(self, edge: int) -> bool:
        """Whether all of it is played before ``edge``, or from then on it only returns to rest."""
        assert self.chunk is not None
        count = self.frames_before(edge)
        return count == len(self.chunk) or (self.returns is not None and self.chunk.start + count >= self.returns)


class Flight(Generic[Owner]):
    """Chunks in the order in which they were sent, each with its owner and its stamp. Not thread-safe.

    Times are nanoseconds of the clock of the stamps. Memory: what is sent ahead of its time. What was taken back is
    kept until another chunk was sent, as consumers play it up to then.
    """

    def __init__(self) -> None:
        self._sent: deque[_Sent[Owner]] = deque()
        self._before: _Sent[Owner] | None = None  # the last chunk that was played
        self._replaced: list[_Sent[Owner]] = []  # an owner's chunks of which frames were taken back, until replaced

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def last(self) -> tuple[Owner, Chunk] | None:
        """The chunk that was sent last, played or not."""
        latest = next((sent for sent in reversed(self._sent) if sent.chunk is not None), self._before)
        return None if latest is None or latest.chunk is None else (latest.owner, latest.chunk)

    def add(self, owner: Owner, chunk: Chunk, stamp: int, returns: int | None) -> None:
        """A chunk was sent; from frame ``returns`` on, if any, the motion only returns to rest."""
        self._sent.append(_Sent(owner, chunk, stamp, returns))
        self._replaced = []

    def end(self, owner: Owner) -> None:
        """All that ``owner`` has was sent."""
        own = (sent for sent in reversed(self._sent) if sent.owner is owner and sent.chunk is not None)
        last = next(own, None)
        self._sent.append(_Sent(owner, None, last.last_time if last is not None else 0, None))

    def has_ended(self, owner: Owner) -> bool:
        """Whether all that ``owner`` has was sent, and is not played yet."""
        return any(sent.owner is owner and sent.chunk is None for sent in self._sent)

    def played(self, now: int) -> list[Owner]:
        """Those whose last point has been reached at ``now``, each once; ends of which nothing was sent immediately."""
        ended = [sent.owner for sent in self._sent if sent.chunk is None and sent.stamp <= now]
        if ended:
            self._sent = deque(sent for sent in self._sent if sent.chunk is not None or sent.stamp > now)
        while self._sent and (first := self._sent[0]).chunk is not None and first.last_time <= now:
            self._before = self._sent.popleft()
        return ended

    def forget(self) -> list[Owner]:
        """The clock has jumped back, and consumers have discarded everything: returns those that have ended."""
        ended = [sent.owner for sent in self._sent if sent.chunk is None]
        chunks = [sent for sent in self._sent if sent.chunk is not None]
        self._before = chunks[-1] if chunks else self._before
        self._sent.clear()
        self._replaced = []
        return ended

    def recall(self, edge: int, first: Owner | None = None) -> Recall[Owner]:
        """Take back the frames that are played at ``edge`` or later, where more than a return to rest is left of them.

        Args:
            edge: the earliest time at which consumers can still follow another motion.
            first: whose chunks to begin with, if those before it are to stay.
        """
        kept: deque[_Sent[Owner]] = deque()
        taken_back: list[_Sent[Owner]] = []
        owners: list[Owner] = []
        frame = 0
        for sent in self._sent:
            owner, chunk = sent.owner, sent.chunk
            if owners:
                if chunk is not None and owner not in owners:
                    owners.append(owner)
                if owner not in owners:
                    kept.append(sent)  # the end of something that has no motion
                elif owner is owners[0] and chunk is not None:
                    taken_back.append(sent)
            elif chunk is None or (first is not None and owner is not first) or sent.is_kept(edge):
                kept.append(sent)
            else:
                owners.append(owner)
                taken_back.append(sent)
                count = sent.frames_before(edge)
                frame = chunk.start + count
                if count:
                    kept.append(sent._replace(chunk=chunk.first(count)))
        self._sent = kept
        self._replaced = taken_back or self._replaced
        last = self.last
        return Recall(tuple(owners), frame, last[1] if frame > 0 and last is not None else None)

    def is_replaced(self, owner: Owner) -> bool:
        """Whether frames of ``owner`` were taken back, and nothing was sent in their place yet."""
        return bool(self._replaced) and self._replaced[0].owner is owner

    def recall_later(self, edge: int, owner: Owner) -> Recall[Owner]:
        """Take back less of ``owner``, of which frames were taken back: only those played at ``edge`` or later.

        Returns:
            As ``recall``; without owners, from the end of what was sent, if nothing can be taken back any more.
        """
        first, self._replaced, replaced = self._replaced[0], [], self._replaced
        assert first.chunk is not None
        start = first.chunk.start
        kept = (s for s in self._sent if s.owner is not owner or s.chunk is None or s.chunk.start != start)
        self._sent = deque([*kept, *replaced])
        recall, last = self.recall(edge, owner), replaced[-1].chunk
        assert last is not None
        return recall if recall.owners else Recall((), last.start + len(last), last)
