"""TokenBucket: limits a rate, and allows a burst."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets a burst of ``burst`` items pass, and after that ``rate`` a second; counts the items that do not pass.

    Thread-safe. It starts full.

    Args:
        burst: size of the bucket, at least 1.
        clock: monotonic seconds.
    """

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._clock = burst, clock
        self._lock = threading.Lock()
        self._tokens, self._at = float(burst), clock()
        self._missed = 0

    def take(self, rate: float) -> bool:
        """Whether one more may pass; ``rate`` is per second; 0 means no limit."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._tokens + rate * (now - self._at), float(self._burst))
            self._at = now
            if rate <= 0:
                return True
            if self._tokens < 1:
                self._missed += 1
                return False
            self._tokens -= 1
            return True

    def missed(self) -> int:
        """How many did not pass since the last call."""
        with self._lock:
            missed, self._missed = self._missed, 0
            return missed
