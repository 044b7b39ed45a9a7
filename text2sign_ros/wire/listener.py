"""Listener: a consumer of chunks: bytes in, the pose at any time out, and what there is to say of both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from text2sign_ros.motion.playback import Piece, Playback, PlaybackError
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.diagnosis import NO_TIME, RECENT, Assessment, Level


class Moment(NamedTuple):
    """What the signer does at one time.

    Attributes:
        positions: (79, 3) float64 metres in frame ``signer``.
        velocities: (79, 3) float64 metres per second.
        at_rest: whether it stands in the rest pose and no motion waits.
        broke_off: whether a motion has broken off since the moment before: true once for each.
    """

    positions: np.ndarray
    velocities: np.ndarray
    at_rest: bool
    broke_off: bool


class Listener:
    """Plays the chunks of one topic. The clock and the topic are the caller's: it says what the time is.

    What is played, and what becomes of chunks that are late, lost, doubled or from another signer, is the business of
    ``Playback``: the pose is always one of finite numbers that moves without a jump, and when chunks stop coming in
    mid-motion it goes to rest. Not thread-safe. Memory is bounded.

    Args:
        topic: its name, for what is said.
        doing: what a consumer does with a motion, for what is said.
        clock: seconds that only grow, by which a refusal is recent.
    """

    def __init__(self, topic: str, *, doing: str = "playing", clock: Callable[[], float] = time.monotonic) -> None:
        self._topic, self._doing, self._clock = topic, doing, clock
        self._playback = Playback()
        self._played = self._refused = self._told = 0
        self._refusal, self._refused_at = "", -float("inf")

    def receive(self, data: bytes, now: int, publishers: int) -> str:
        """Take a chunk.

        Args:
            data: the message, as a subscription with ``raw=True`` receives it.
            now: nanoseconds of the clock that stamps are of.
            publishers: how many there are of the topic.

        Returns:
            Why it is not played; empty if it is.
        """
        try:
            chunk = trajectory.decode(data)
            if chunk.joint_names != KEYPOINTS:
                raise PlaybackError("a chunk's joint_names are not the 79 keypoints of text2sign_ros in their order")
            piece = Piece(chunk.stamp_ns + chunk.time_from_start, chunk.positions, chunk.velocities)
            if publishers > 1 and self._playback.interrupts(piece, now):
                raise PlaybackError(
                    f"several nodes publish {self._topic} at once; only the motion that is going on is played: remap "
                    "one of them"
                )
            self._playback.add(piece, now)
        except (trajectory.TrajectoryError, PlaybackError) as error:
            self._refused += 1
            self._refusal, self._refused_at = str(error), self._clock()
            return self._refusal
        self._played += 1
        return ""

    def sample(self, now: int) -> Moment:
        """What the signer does at ``now`` (nanoseconds); ask in the order of time, jumps of the clock excepted."""
        positions, velocities = self._playback.knot(now)
        broke_off, self._told = self._playback.breaks > self._told, self._playback.breaks
        return Moment(positions, velocities, self._playback.at_rest(now), broke_off)

    def ahead(self, now: int) -> float:
        """Seconds of motion that have come and are not played at ``now``."""
        return self._playback.ahead(now)

    @property
    def broken_off(self) -> bool:
        """Whether it goes, or has gone, to rest because its motion broke off; until the next chunk."""
        return self._playback.broken_off

    def assess(self, now: int, publishers: int) -> Assessment:
        """Whether and why nothing moves."""
        if now == 0:
            return Assessment(Level.WARN, NO_TIME)
        if publishers == 0:
            reason = f"nobody publishes {self._topic}: start and activate the signer, or compare names and namespaces"
            return Assessment(Level.WARN, reason)
        if self._clock() - self._refused_at < RECENT:
            return Assessment(Level.WARN, f"chunks are not played: {self._refusal}")
        if self.broken_off:
            reason = "the motion broke off before it came to rest: is the signer still there, and in time?"
            return Assessment(Level.WARN, reason)
        return Assessment(Level.OK, self._doing if self.ahead(now) else "at rest: waiting for motion")

    def values(self, now: int, publishers: int) -> dict[str, str]:
        """The figures by name, as people read them."""
        return {
            "chunks played": str(self._played),
            "chunks refused": str(self._refused),
            "motions broken off": str(self._playback.breaks),
            "motion ahead (s)": f"{self.ahead(now):.2f}",
            "publishers of the trajectory": str(publishers),
            "last refusal": self._refusal or "-",
        }
