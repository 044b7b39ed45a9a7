"""Tracker: finds the goal on ``~/status`` of each text that was sent, and its chunks on ``~/trajectory``."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from text2sign_ros.motion.chunks import frame_time
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire.captions import Captions
from text2sign_ros.wire.trajectory import Trajectory

_AT_REST = 0.02  # metres from the rest pose, of any keypoint along any axis
_JUMP = 100_000_000  # nanoseconds that a clock must go back to have jumped
_MAX_GIVEN = 2000  # chunks that may be taken back: a minute of motion, frame by frame
_MAX_WAITING = 100  # chunks whose goal, or whose goal's text, is not known yet: it becomes known soon or never


class Status(IntEnum):
    """The state of a text; the numbers are those of action_msgs/GoalStatus."""

    UNKNOWN = 0
    """Sent; the signer has not reported it yet."""
    ACCEPTED = 1
    EXECUTING = 2
    CANCELING = 3
    SUCCEEDED = 4
    CANCELED = 5
    ABORTED = 6

    @property
    def final(self) -> bool:
        """Whether the text has ended."""
        return self >= Status.SUCCEEDED


class GoalState(NamedTuple):
    """One entry of ``~/status``; ``stamp_ns`` is the stamp of the text's first chunk, 0 before there is one."""

    id: uuid.UUID
    status: Status
    stamp_ns: int


class Arrival(NamedTuple):
    """A chunk that was received.

    Attributes:
        chunk: decoded.
        at: when it was received, by ``time.perf_counter``.
        clock_ns: the same in nanoseconds of the receiving node's clock, which stamps are compared with.
    """

    chunk: Trajectory
    at: float
    clock_ns: int

    @property
    def late(self) -> bool:
        """Whether it was received after its stamp."""
        return self.clock_ns > self.chunk.stamp_ns


@dataclass(eq=False)
class Track:
    """A text that was sent, and what is known about it.

    Attributes:
        text: as sent.
        captioned: whether the signer publishes ``~/captions``, which say which goal has which text.
        others: goals that existed before it was sent.
        id: its goal; None until that is known.
        status, stamp_ns: of the goal.
        captions: the latest ones; None if none were received.
        skipped: a text that was sent later already has its goal: the signer has most likely ignored this one.
        lost: the signer no longer knows the goal, which has not ended: another process has taken its place.
        arrivals: its chunks as they came.
        motion: its chunks as they are played: since it last started (an interrupted text starts again), and without the
            frames that were taken back.
        recalled: whether all of its motion was taken back before it was played.
    """

    text: str
    captioned: bool
    others: frozenset[uuid.UUID] = frozenset()
    id: uuid.UUID | None = None
    status: Status = Status.UNKNOWN
    stamp_ns: int = 0
    captions: Captions | None = None
    skipped: bool = False
    lost: bool = False
    arrivals: list[Arrival] = field(default_factory=list)
    motion: list[Arrival] = field(default_factory=list)
    recalled: bool = False

    @property
    def current(self) -> list[Arrival]:
        """``motion``, if it is that of the latest start: none before its first chunk is received."""
        return self.motion if self.motion and self.motion[0].chunk.stamp_ns == self.stamp_ns else []

    @property
    def has_outcome(self) -> bool:
        """Whether the captions that say how it ended have been received."""
        return self.captions is not None and self.captions.outcome is not None

    @property
    def complete(self) -> bool:
        """Whether the chunks received lead from rest to rest, as those of every complete text do."""
        return _ends_at_rest(self.current[-1].chunk) if self.current else self.recalled or not self.stamp_ns

    def start(self) -> None:
        """Its next chunk is its first."""
        self.motion, self.recalled = [], False

    def give(self, arrival: Arrival) -> None:
        """A chunk of it was received; it replaces what was received for the same time."""
        self.arrivals.append(arrival)
        if self.motion and not _jumped_back(self.motion[-1], arrival):
            while self.motion and self.motion[-1].chunk.stamp_ns >= arrival.chunk.stamp_ns:
                self.motion.pop()
            if self.motion:
                last = self.motion[-1].chunk
                if len((kept := last.before(arrival.chunk.stamp_ns)).positions) < len(last.positions):
                    self.motion[-1] = self.motion[-1]._replace(chunk=kept)
        self.motion.append(arrival)

    def take_back(self) -> None:
        """None of its motion is played."""
        self.motion, self.recalled = [], True


def gaps(chunks: Iterable[Trajectory], fps: float) -> list[int]:
    """Nanoseconds between the end of each chunk and the stamp of the next, of the chunks of one text from its first."""
    found: list[int] = []
    expected, frames = None, 0
    for chunk in chunks:
        if expected is not None:
            found.append(chunk.stamp_ns - expected)
        begin, frames = frames, frames + len(chunk.positions)
        expected = chunk.stamp_ns + int(frame_time(frames, fps) - frame_time(begin, fps))
    return found


class _Given(NamedTuple):
    """A chunk whose goal is known."""

    owner: uuid.UUID
    arrival: Arrival


class Tracker:
    """Follows the texts that one client sends to one signer. Not thread-safe.

    **Which goal is which text.** On its way to the signer a text has no id. Where the signer has captions, a text's
    goal is the first that is new since the text was sent and has the same text in its captions; of several equal texts
    the one that was sent first takes it. Texts of other clients do no harm, unless they are equal and sent at the same
    time: then each client finds one of these goals, at random. Without captions, goals that are new since a text was
    sent are taken in the order of ``~/status`` for the texts in the order in which they were sent. That is right only
    if nobody else sends texts and none is refused for ``max_rate``, which leaves it without a goal.

    **Which chunks are a goal's.** A chunk has no id either. The first one of a goal is the one whose stamp the goal
    has; the ones after it belong to it up to the first chunk of another goal. A chunk may come before the status with
    its stamp, so a chunk that starts at rest after a motion that has ended waits for that status. A chunk that starts
    before the end of the one before replaces what was sent from there on, and belongs to the goal of what it replaces.
    """

    def __init__(self) -> None:
        self._open: list[Track] = []  # sent, no goal yet
        self._tracks: dict[uuid.UUID, Track] = {}  # with a goal
        self._unmatched: dict[uuid.UUID, Track] = {}  # goals whose text may still turn out to be one that was sent here
        self._captioned: deque[uuid.UUID] = deque(maxlen=1000)  # goals whose text is known
        self._goals: dict[uuid.UUID, GoalState] | None = None  # of the last status
        self._starts: dict[int, uuid.UUID] = {}  # goals by the stamps of first chunks that have not come
        self._owner: uuid.UUID | None = None  # whose chunks are coming
        self._rested = False  # whether the last of them ended at rest
        self._given: deque[_Given] = deque(maxlen=_MAX_GIVEN)  # chunks whose goal is known
        self._waiting: deque[Arrival] = deque(maxlen=_MAX_WAITING)

    def send(self, text: str, *, captioned: bool) -> Track:
        """A text is about to be sent; ``captioned`` says which of the two rules finds its goal."""
        track = Track(text, captioned, frozenset(self._goals or ()))
        self._open.append(track)
        return track

    def forget(self, track: Track) -> None:
        """Stop tracking a text."""
        if track in self._open:
            self._open.remove(track)
        elif track.id is not None:
            self._tracks.pop(track.id, None)

    def captions(self, captions: Captions) -> None:
        """A message of ``~/captions``."""
        if captions.id not in self._captioned:
            self._captioned.append(captions.id)
            track = next((track for track in self._open if track.captioned and _fits(track, captions)), None)
            if track is not None:
                self._match(track, captions.id)
        if captions.id in self._tracks:
            self._tracks[captions.id].captions = captions

    def status(self, goals: Iterable[GoalState]) -> None:
        """A message of ``~/status``."""
        before, self._goals = self._goals, {goal.id: goal for goal in goals}
        for id, goal in self._goals.items():
            if before is not None and id not in before and id not in self._tracks:
                track = next((track for track in self._open if not track.captioned), None)
                if track is not None:
                    self._match(track, id)
            if id in self._tracks:
                self._tracks[id].status, self._tracks[id].stamp_ns = goal.status, goal.stamp_ns
            if before is None:
                if goal.status is Status.EXECUTING:
                    self._owner = id  # its start was missed
            elif goal.stamp_ns and (id not in before or before[id].stamp_ns != goal.stamp_ns):
                self._starts[goal.stamp_ns] = id
        gone = (before or {}).keys() - self._goals.keys()
        for id in gone & self._tracks.keys():
            self._tracks[id].lost = not self._tracks[id].status.final
        self._starts = {stamp: id for stamp, id in self._starts.items() if id in self._goals}
        self._unmatched = {id: track for id, track in self._unmatched.items() if self._open and id in self._goals}
        if self._owner not in self._goals:
            self._owner = None
        self._assign()

    def chunk(self, arrival: Arrival) -> None:
        """A message of ``~/trajectory``."""
        self._waiting.append(arrival)
        self._assign()

    def flush(self) -> None:
        """No more chunks will come: those that wait belong to the goal of the chunks before them."""
        while self._waiting and self._owner is not None:
            self._give(self._waiting.popleft())

    def _match(self, track: Track, id: uuid.UUID) -> None:
        place = self._open.index(track)
        for earlier in self._open[:place]:
            earlier.skipped = True
        del self._open[place]
        track.id = id
        self._tracks[id] = track
        if (found := self._unmatched.pop(id, None)) is not None:
            track.arrivals, track.motion, track.recalled = found.arrivals, found.motion, found.recalled
        if self._goals is not None and id in self._goals:
            track.status, track.stamp_ns = self._goals[id].status, self._goals[id].stamp_ns

    def _assign(self) -> None:
        """Assign the waiting chunks to goals, as far as these are known."""
        while self._waiting:
            arrival = self._waiting[0]
            if (id := self._starts.pop(arrival.chunk.stamp_ns, None)) is not None:
                self._owner = id
                if (track := self._track(id)) is not None:
                    track.start()
            elif (
                not self._replaces(arrival)
                and self._may_begin(arrival.chunk)
                and not any(a.chunk.stamp_ns in self._starts for a in self._waiting)
            ):
                return
            self._give(self._waiting.popleft())

    def _may_begin(self, chunk: Trajectory) -> bool:
        """Whether it may be the first of a text."""
        if self._owner is None or self._goals is None:
            return True
        return _begins_at_rest(chunk) and (self._rested or self._goals[self._owner].status.final)

    def _replaces(self, arrival: Arrival) -> bool:
        """Whether it starts before the end of the chunk before."""
        if not self._given or _jumped_back(self._given[-1].arrival, arrival):
            return False
        chunk = self._given[-1].arrival.chunk
        return arrival.chunk.stamp_ns <= chunk.stamp_ns + int(chunk.time_from_start[-1])

    def _give(self, arrival: Arrival) -> None:
        self._rested = _ends_at_rest(arrival.chunk)
        if self._replaces(arrival):
            self._take_back(arrival.chunk.stamp_ns)
        if self._owner is None:
            return
        self._given.append(_Given(self._owner, arrival))
        if (track := self._track(self._owner)) is not None:
            track.give(arrival)

    def _take_back(self, stamp_ns: int) -> None:
        """What was sent from ``stamp_ns`` on is replaced by a chunk of the goal whose motion was interrupted there."""
        taken_back = []
        while self._given and self._given[-1].arrival.chunk.stamp_ns >= stamp_ns:
            taken_back.append(self._given.pop())
        if taken_back and taken_back[-1].arrival.chunk.stamp_ns == stamp_ns:
            self._owner = taken_back[-1].owner
        elif self._given:
            self._owner = self._given[-1].owner
        for owner in {given.owner for given in taken_back} - {self._owner}:
            if (track := self._track(owner)) is not None:
                track.take_back()

    def _track(self, id: uuid.UUID) -> Track | None:
        """The track of a goal, if one is kept."""
        if id in self._tracks:
            return self._tracks[id]
        track = self._unmatched.get(id)
        if track is None and any(track.captioned and id not in track.others for track in self._open):
            track = self._unmatched[id] = Track("", captioned=True)
        return track if track is None or len(track.arrivals) < _MAX_WAITING else None


def _fits(track: Track, captions: Captions) -> bool:
    """Whether these may be its captions, which have only the start of a long text."""
    same = len(track.text) == captions.characters and track.text.startswith(captions.text)
    return same and captions.id not in track.others


def _jumped_back(one: Arrival, following: Arrival) -> bool:
    """Whether the clock has jumped back between two arrivals, so that their stamps can't be compared."""
    return following.clock_ns < one.clock_ns - _JUMP


def _begins_at_rest(chunk: Trajectory) -> bool:
    return not chunk.velocities[0].any() and bool(np.abs(chunk.positions[0] - REST_POSE).max() < _AT_REST)


def _ends_at_rest(chunk: Trajectory) -> bool:
    return not chunk.velocities[-1].any() and bool(np.abs(chunk.positions[-1] - REST_POSE).max() < _AT_REST)
