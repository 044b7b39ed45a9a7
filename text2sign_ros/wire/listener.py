"""Listener: a consumer of chunks without ROS: bytes in; the pose at any time, and diagnostics, out."""

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
    """The state of the signer's motion at one time.

    Attributes:
        positions: (79, 3) float64 metres in frame ``signer``.
        velocities: (79, 3) float64 metres per second.
        at_rest: whether it is in the rest pose and no motion is pending.
        broke_off: whether a motion has broken off since the previous call: true once for each.
    """

    positions: np.ndarray
    velocities: np.ndarray
    at_rest: bool
    broke_off: bool


class Listener:
    """Plays the chunks of one topic. The caller subscribes to the topic, and passes the time.

    ``Playback`` decides what is played, and what happens to chunks that are late, lost, duplicated or from another
    signer: the pose is always finite and moves without a jump, and when chunks stop coming in mid-motion it goes to
    rest. Not thread-safe. Memory is bounded.

    Args:
        topic: its name, for messages.
        doing: what the consumer does with a motion, for messages.
        clock: monotonic seconds, by which a refusal is recent.
    """

    def __init__(self, topic: str, *, doing: str = "playing", clock: Callable[[], float] = time.monotonic) -> None:
        self._topic, self._doing, self._clock = topic, doing, clock
        self._playback = Playback()
        self._played = self._refused = self._reported = 0
        self._refusal, self._refused_at = "", -float("inf")

    def receive(self, data: bytes, now: int, publishers: int) -> str:
        """Receive a chunk.

        Args:
            data: the message, as a subscription with ``raw=True`` receives it.
            now: nanoseconds of the clock of the stamps.
            publishers: number of publishers of the topic.

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
                    f"several nodes publish {self._topic}; only the motion already in progress is played: remap "
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
        """The pose at ``now`` (nanoseconds); call with increasing times, except where the clock jumps."""
        positions, velocities = self._playback.knot(now)
        broke_off, self._reported = self._playback.breaks > self._reported, self._playback.breaks
        return Moment(positions, velocities, self._playback.at_rest(now), broke_off)

    @property
    def playback(self) -> Playback:
        """What is known of the motion to come, to be looked at; only ``receive`` adds to it."""
        return self._playback

    def ahead(self, now: int) -> float:
        """Seconds of motion that have been received and are still to be played at ``now``."""
        return self._playback.ahead(now)

    @property
    def broken_off(self) -> bool:
        """Whether it is going to rest, or at rest, because its motion broke off; until the next chunk."""
        return self._playback.broken_off

    def assess(self, now: int, publishers: int) -> Assessment:
        """Whether the motion is played, and if not why."""
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
        """Diagnostic values by name, formatted for people."""
        return {
            "chunks played": str(self._played),
            "chunks refused": str(self._refused),
            "motions broken off": str(self._playback.breaks),
            "motion ahead (s)": f"{self.ahead(now):.2f}",
            "publishers of the trajectory": str(publishers),
            "last refusal": self._refusal or "-",
        }
