"""TextLog: logs what becomes of each text, rate-limited so that a flood of texts does not flood the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from text2sign_ros.inference.engine import Outcome, Utterance
from text2sign_ros.wire.bucket import TokenBucket

LINES, LINE_RATE = 100, 1.0
"""Texts that were not signed as written and are logged: in a burst, and per second in the long run."""
WARNING_PERIOD = 5.0
"""Seconds between warnings of a flood."""


def quote(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def count(texts: int) -> str:
    """``texts`` with the noun: "1 text", "2 texts"."""
    return f"{texts} {'text' if texts == 1 else 'texts'}"


class TextLog:
    """Logs what becomes of each text. Thread-safe.

    Args:
        logger: the node's.
        clock: monotonic seconds.
    """

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._lines = TokenBucket(LINES, clock)

    def rate_limited(self, reason: str) -> None:
        """A text was refused unread."""
        self._logger.warning(f"{reason}; those beyond it are refused", throttle_duration_sec=WARNING_PERIOD)

    def refused(self, text: str, reason: str) -> None:
        """A text was not queued."""
        if self._may_log():
            self._logger.warning(f"{quote(text)} is refused: {reason}")

    def revised(self, text: str) -> None:
        """The final result of speech recognition contradicts words that were already signed."""
        if self._may_log():
            self._logger.warning(
                f"{quote(text)}: the recogniser has revised words that were signed already; raise speech_results"
            )

    def left_out(self, text: str, tags: str) -> None:
        """Tags in angle brackets were taken out of a text; ``tags`` says which."""
        if self._may_log():
            self._logger.warning(f"{quote(text)}: {tags}: of the tags in angle brackets only <pause(…)> is understood")

    def moved(self, stamp: int, due: int) -> None:
        """The motion of a text goes on at ``stamp`` instead of ``due`` (nanoseconds)."""
        self._logger.warning(
            f"the motion continues at {stamp / 1e9:.3f} s instead of {due / 1e9:.3f} s: "
            "the clock jumped, or signing is slower than real time"
        )

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        """A chunk of a text could not be sent."""
        self._logger.error(f"a chunk of {quote(utterance.text)} can't be sent: {error}")

    def ended(self, utterance: Utterance, fps: float) -> None:
        """A text ended."""
        log, text, reason = self._logger, quote(utterance.text), utterance.error
        logged = (utterance.outcome is Outcome.SIGNED and not utterance.warnings) or self._may_log()
        for warning in utterance.warnings if logged else ():
            log.warning(f"{text}: {warning}")
        if utterance.outcome is Outcome.SIGNED:
            factor = utterance.work * fps / max(utterance.frames, 1)
            log.info(
                f"signed {text}: frames {utterance.frames}, first chunk ready after "
                f"{1e3 * utterance.first_chunk:.0f} ms, real-time factor {factor:.4f}"
            )
        elif not logged:
            pass
        elif utterance.outcome is Outcome.CANCELED:
            log.info(f"canceled {text}" + (f": {reason}" if reason else ""))
        elif utterance.outcome is Outcome.UNSEEN:
            log.warning(f"{text} was sent, but {reason}")
        elif utterance.outcome is Outcome.DROPPED:
            log.warning(f"{text} is dropped: {reason}")
        else:
            log.error(f"{text} was given up: {type(reason).__name__}: {reason}")

    def _may_log(self) -> bool:
        """Whether one more text that was not signed as written may be logged."""
        if not self._lines.take(LINE_RATE):
            return False
        if missed := self._lines.missed():
            self._logger.warning(f"{count(missed)} more ended unsigned or had warnings; /diagnostics counts them")
        return True
