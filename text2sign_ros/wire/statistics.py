"""Statistics: what the signer counts and measures."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

import numpy as np

from text2sign_ros.inference.engine import Outcome, Utterance
from text2sign_ros.wire.diagnosis import RECENT, is_recent

_TEXTS = 100  # the latest ones, over which speed is measured


class Statistics:
    """What was counted and measured since the node started. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._first: deque[float] = deque(maxlen=_TEXTS)  # seconds
        self._work: deque[tuple[float, float]] = deque(maxlen=_TEXTS)  # seconds of signing, seconds of motion
        self._late_at = self._rate_limited_at = self._not_signed_at = -RECENT
        self._not_signed_reason = ""

    def activated(self) -> None:
        """Texts are signed from now on: forget why earlier ones were not."""
        with self._lock:
            self._not_signed_at = -RECENT

    def received(self) -> None:
        """A text was received."""
        self._count("received")

    def refused(self, reason: str) -> None:
        """A text was refused before it was queued."""
        with self._lock:
            self._counts[Outcome.REFUSED.value] += 1
            self._not_signed(reason)

    def rate_limited(self, reason: str) -> None:
        """A text was refused unread, because it exceeded ``max_rate``."""
        self.refused(reason)
        with self._lock:
            self._counts["rate_limited"] += 1
            self._rate_limited_at = time.monotonic()

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
            if utterance.outcome in (Outcome.UNSEEN, Outcome.DROPPED, Outcome.FAILED):
                self._not_signed(str(utterance.error))
            if utterance.outcome in (Outcome.SIGNED, Outcome.UNSEEN):
                self._first.append(utterance.first_chunk)
                self._work.append((utterance.work, utterance.frames / fps))

    def late_recently(self) -> bool:
        """Whether a chunk was late in the last ``RECENT`` seconds."""
        with self._lock:
            return is_recent(self._late_at)

    def rate_limited_recently(self) -> bool:
        """Whether a text exceeded ``max_rate`` in the last ``RECENT`` seconds."""
        with self._lock:
            return is_recent(self._rate_limited_at)

    def not_signed_recently(self) -> str:
        """Why a text was refused, dropped or failed in the last ``RECENT`` seconds (the latest); empty if none was."""
        with self._lock:
            return self._not_signed_reason if is_recent(self._not_signed_at) else ""

    def _not_signed(self, reason: str) -> None:
        self._not_signed_reason = reason
        self._not_signed_at = time.monotonic()

    def values(self) -> dict[str, str]:
        """All values by name, formatted for people; a dash where nothing was measured yet."""
        with self._lock:
            counts, reason = Counter(self._counts), self._not_signed_reason
            first, work = 1e3 * np.array(self._first), np.array(self._work).reshape(-1, 2).sum(axis=0)
        ended = {f"texts {outcome.value}": str(counts[outcome.value]) for outcome in Outcome}
        under_way = counts["received"] - sum(counts[outcome.value] for outcome in Outcome)
        p50, p99 = (f"{value:.1f}" for value in np.percentile(first, (50, 99))) if len(first) else ("-", "-")
        return {
            "texts received": str(counts["received"]),
            "texts under way": str(under_way),
            **ended,
            "of them refused for max_rate": str(counts["rate_limited"]),
            "first chunk ready, last (ms)": f"{first[-1]:.1f}" if len(first) else "-",
            f"first chunk ready, median of {len(first)} (ms)": p50,
            f"first chunk ready, p99 of {len(first)} (ms)": p99,
            "real-time factor": f"{work[0] / work[1]:.4f}" if work[1] else "-",
            "chunks sent": str(counts["chunks"]),
            "chunks late": str(counts["late"]),
            "last text not signed because": reason or "-",
        }

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
