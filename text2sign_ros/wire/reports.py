"""Reports: passes on what becomes of each text to goals, captions, statistics and log."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from text2sign_ros.inference.engine import Outcome, Utterance
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.wire.captions import Captioner
from text2sign_ros.wire.goals import Goals
from text2sign_ros.wire.statistics import Statistics
from text2sign_ros.wire.textlog import TextLog


class Reports:
    """Reports each text to the captions, the goals, the statistics and the log; to the captions before the goals.

    Thread-safe. A ``Sender`` and an ``Intake`` call it.

    Args:
        goals, captions, statistics, log: receive the reports.
        fps: frames per second.
        changed: called after changes that ``/diagnostics`` should publish immediately.
    """

    def __init__(
        self,
        goals: Goals,
        captions: Captioner,
        statistics: Statistics,
        log: TextLog,
        fps: float,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._goals, self._captions, self._statistics, self._log = goals, captions, statistics, log
        self._fps, self._changed = fps, changed

    def received(self) -> None:
        """A text was received, and has not been looked at yet."""
        self._statistics.received()

    def rate_limited(self, reason: str) -> None:
        """It was refused unread, because it exceeded ``max_rate``."""
        self._statistics.rate_limited(reason)
        self._log.rate_limited(reason)

    def accepted(self, id: uuid.UUID, text: str) -> None:
        """It was not refused unread, and has a goal."""
        self._captions.accept(id, text)
        self._goals.accept(id)

    def refused(self, id: uuid.UUID, text: str, reason: str) -> None:
        """It was refused, and not queued."""
        self._statistics.refused(reason)
        self._captions.end(id, Outcome.REFUSED, reason)
        self._goals.end(id, Outcome.REFUSED)
        self._log.refused(text, reason)
        self._changed()

    def queued(self, utterance: Utterance) -> None:
        """It is waiting, or is being signed already."""
        self._captions.queue(utterance)
        self._changed()

    def revised(self, text: str) -> None:
        """The final result of speech recognition contradicts words that were already signed."""
        self._log.revised(text)

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int, *, late: bool) -> None:
        """A chunk of a text was sent, to be played at ``stamp`` (nanoseconds)."""
        self._statistics.sent(late)
        self._captions.sent(utterance, chunk, stamp)
        if chunk.start == 0 and utterance.return_frame != 0:
            self._goals.execute(utterance.id, stamp)

    def moved(self, stamp: int, due: int) -> None:
        """The motion of a text goes on at ``stamp`` instead of ``due`` (nanoseconds)."""
        self._log.moved(stamp, due)

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        """A chunk could not be sent."""
        self._log.send_failed(utterance, error)

    def recalled(self, utterance: Utterance) -> None:
        """All that was sent of a text was taken back before it was played."""
        self._captions.recall(utterance.id)

    def ended(self, utterance: Utterance) -> None:
        """A text ended, and all of it that was signed was played."""
        assert utterance.outcome is not None
        error = utterance.error
        reason = f"{type(error).__name__}: {error}" if utterance.outcome is Outcome.FAILED else str(error or "")
        self._log.ended(utterance, self._fps)
        self._statistics.ended(utterance, self._fps)
        self._captions.end(utterance.id, utterance.outcome, reason, utterance)
        self._goals.end(utterance.id, utterance.outcome)
        self._changed()
