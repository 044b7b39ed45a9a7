"""What /diagnostics tells: the figures that are measured, and whether and why a robot is not signing."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.time import Time

from text2sign_ros.inference.engine import Outcome, Utterance

RECENT = 10.0
"""Seconds for which something that went wrong is warned of."""
NO_TIME = "no time on the clock: nothing publishes /clock, which use_sim_time asks for"
STANDING = "the clock stands still: is the simulation paused?"

_TEXTS = 100  # that figures of speed are taken over

Verdict = tuple[bytes, str]
"""Level, and one sentence."""


def is_recent(at: float) -> bool:
    """Whether something that happened ``at`` (by ``time.monotonic``) is still warned of."""
    return time.monotonic() - at < RECENT


class Figures:
    """What was counted and measured since the node started. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._first: deque[float] = deque(maxlen=_TEXTS)  # seconds
        self._work: deque[tuple[float, float]] = deque(maxlen=_TEXTS)  # seconds of signing, seconds of motion
        self._late_at = self._flooded_at = self._unsigned_at = -RECENT
        self._unsigned = ""

    def activated(self) -> None:
        """Texts are signed from now on: why others were not is no longer of interest."""
        with self._lock:
            self._unsigned_at = -RECENT

    def received(self) -> None:
        """A text came."""
        self._count("received")

    def refused(self, reason: str) -> None:
        """A text was not even queued."""
        with self._lock:
            self._counts[Outcome.REFUSED.value] += 1
            self._not_signed(reason)

    def flooded(self, reason: str) -> None:
        """A text was refused unread, for coming too soon after others."""
        self.refused(reason)
        with self._lock:
            self._counts["flooded"] += 1
            self._flooded_at = time.monotonic()

    def sent(self, late: bool) -> None:
        """A chunk was sent."""
        with self._lock:
            self._counts["chunks"] += 1
            if late:
                self._counts["late"] += 1
                self._late_at = time.monotonic()

    def ended(self, utterance: Utterance, fps: float) -> None:
        """A text ended."""
        assert utterance.outcome is not None
        with self._lock:
            self._counts[utterance.outcome.value] += 1
            if utterance.outcome in (Outcome.REFUSED, Outcome.DROPPED, Outcome.FAILED):
                self._not_signed(str(utterance.error))
            if utterance.outcome is Outcome.SIGNED:
                self._first.append(utterance.first_chunk)
                self._work.append((utterance.work, utterance.frames / fps))

    def late_recently(self) -> bool:
        """Whether a chunk was late in the last ``RECENT`` seconds."""
        with self._lock:
            return is_recent(self._late_at)

    def flooded_recently(self) -> bool:
        """Whether a text came too soon after others in the last ``RECENT`` seconds."""
        with self._lock:
            return is_recent(self._flooded_at)

    def unsigned_recently(self) -> str:
        """Why the last text that was refused, dropped or given up in the last ``RECENT`` seconds was; else empty."""
        with self._lock:
            return self._unsigned if is_recent(self._unsigned_at) else ""

    def _not_signed(self, reason: str) -> None:
        self._unsigned = reason
        self._unsigned_at = time.monotonic()

    def values(self) -> dict[str, str]:
        """All figures by name, as people read them; a dash where nothing was measured yet."""
        with self._lock:
            counts, unsigned = Counter(self._counts), self._unsigned
            first, work = 1e3 * np.array(self._first), np.array(self._work).reshape(-1, 2).sum(axis=0)
        ended = {f"texts {outcome.value}": str(counts[outcome.value]) for outcome in Outcome}
        under_way = counts["received"] - sum(counts[outcome.value] for outcome in Outcome)
        p50, p99 = (f"{value:.1f}" for value in np.percentile(first, (50, 99))) if len(first) else ("-", "-")
        return {
            "texts received": str(counts["received"]),
            "texts under way": str(under_way),
            **ended,
            "of them refused for max_rate": str(counts["flooded"]),
            "first chunk ready, last (ms)": f"{first[-1]:.1f}" if len(first) else "-",
            f"first chunk ready, median of {len(first)} (ms)": p50,
            f"first chunk ready, p99 of {len(first)} (ms)": p99,
            "real-time factor": f"{work[0] / work[1]:.4f}" if work[1] else "-",
            "chunks sent": str(counts["chunks"]),
            "chunks late": str(counts["late"]),
            "last text not signed because": unsigned or "-",
        }

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1


@dataclass(frozen=True)
class Condition:
    """What decides whether a robot signs.

    Attributes:
        state: of the lifecycle: unconfigured, configuring, inactive, active, deactivating, ... finalized.
        progress: what ``configure`` is at.
        failure: why the last transition failed; empty if it did not.
        paused: by ``~/pause``.
        time: on the node's clock, nanoseconds; 0 is none.
        standing: whether that clock has not moved for a while.
        subscribers: of ``~/trajectory``.
        late: whether chunks were late recently.
        flooded: whether texts were refused recently because too many came.
        unsigned: why a text was not signed recently; empty if all were, or were canceled.
        busy: whether there are texts.
    """

    state: str = "unconfigured"
    progress: str = ""
    failure: str = ""
    paused: bool = False
    time: int = 1
    standing: bool = False
    subscribers: int = 1
    late: bool = False
    flooded: bool = False
    unsigned: str = ""
    busy: bool = False


def assess(condition: Condition) -> Verdict:
    """Level and one sentence: why the robot is not signing and what helps, or that nothing keeps it from that.

    ERROR: a transition failed, nothing will be signed before that is mended. WARN: something is missing that someone
    may have wanted so. STALE: there is nothing to tell of. OK: it signs, or would.
    """
    c, s = condition, DiagnosticStatus
    if c.failure:
        return s.ERROR, f"{c.state}: {c.failure}"
    if c.state == "unconfigured":
        return s.STALE, "unconfigured: call the transition configure, then activate"
    if c.state == "configuring":
        return s.WARN, f"configuring: {c.progress}"
    if c.state == "inactive":
        return s.WARN, "inactive: call the transition activate"
    if c.state == "finalized":
        return s.STALE, "finalized: the node was shut down; start it again"
    if c.state != "active":
        return s.WARN, f"{c.state}: wait"
    if c.time == 0:
        return s.WARN, NO_TIME
    if c.standing:
        return s.WARN, STANDING
    if c.paused:
        return s.WARN, "paused: call ~/resume"
    if c.subscribers == 0:
        return s.WARN, "nobody subscribes to ~/trajectory: start the robot's or avatar's node, or compare names and QoS"
    if c.late:
        return s.WARN, "chunks were late: the clock jumped, or signing is too slow; take a faster preset or backend"
    if c.flooded:
        return s.WARN, "texts come faster than max_rate and are refused: stop who floods ~/text, or raise max_rate"
    if c.busy:
        return s.OK, "signing"
    if c.unsigned:
        return s.WARN, f"a text was not signed: {c.unsigned}"
    return s.OK, "ready: waiting for texts"


def array(
    name: str, stamp: int, level: bytes, message: str, values: Mapping[str, str], hardware: str = ""
) -> DiagnosticArray:
    """The message; ``stamp`` in nanoseconds of the node's clock, ``hardware`` what runs the networks."""
    status = DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    result = DiagnosticArray(status=[status])
    result.header.stamp = Time(nanoseconds=stamp).to_msg()
    return result
