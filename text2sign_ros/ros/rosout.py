"""What the signer tells on /rosout: what became of each text, and what the library logs; a flood does not fill it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from text2sign_ros.inference.engine import Outcome, Utterance
from text2sign_ros.wire.bucket import TokenBucket

LINES, LINE_RATE = 100, 1.0
"""Texts whose failing is told: at once, and a second in the long run."""
SPAM = 5.0
"""Seconds between warnings of a flood."""


def quote(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def count(texts: int) -> str:
    """So many texts, in words."""
    return f"{texts} {'text' if texts == 1 else 'texts'}"


class Rosout:
    """Tells of texts. Thread-safe.

    Args:
        logger: the node's.
        clock: seconds that only grow.
    """

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._lines = TokenBucket(LINES, clock)

    def flooded(self, reason: str) -> None:
        """A text was refused unread."""
        self._logger.warning(f"{reason}; those beyond it are refused", throttle_duration_sec=SPAM)

    def refused(self, text: str, reason: str) -> None:
        """A text was not queued."""
        if self._may_tell():
            self._logger.warning(f"{quote(text)} is refused: {reason}")

    def revised(self, text: str) -> None:
        """The final result of speech recognition contradicts what was signed of it."""
        if self._may_tell():
            self._logger.warning(
                f"{quote(text)}: the recogniser has revised words that were signed already; raise speech_results"
            )

    def ended(self, utterance: Utterance, fps: float) -> None:
        """A text ended."""
        log, text, reason = self._logger, quote(utterance.text), utterance.error
        tell = (utterance.outcome is Outcome.SIGNED and not utterance.warnings) or self._may_tell()
        for warning in utterance.warnings if tell else ():
            log.warning(f"{text}: {warning}")
        if utterance.outcome is Outcome.SIGNED:
            factor = utterance.work * fps / max(utterance.frames, 1)
            log.info(
                f"signed {text}: frames {utterance.frames}, first chunk ready after "
                f"{1e3 * utterance.first_chunk:.0f} ms, real-time factor {factor:.4f}"
            )
        elif not tell:
            pass
        elif utterance.outcome is Outcome.CANCELED:
            log.info(f"canceled {text}" + (f": {reason}" if reason else ""))
        elif utterance.outcome is Outcome.REFUSED:
            log.warning(f"{text} is refused: {reason}")
        elif utterance.outcome is Outcome.DROPPED:
            log.warning(f"{text} is dropped: {reason}")
        else:
            log.error(f"{text} was given up: {type(reason).__name__}: {reason}")

    def _may_tell(self) -> bool:
        """Whether one more text that was not signed as written is told of."""
        if not self._lines.take(LINE_RATE):
            return False
        if missed := self._lines.missed():
            self._logger.warning(f"{count(missed)} more ended unsigned or had warnings; /diagnostics counts them")
        return True


@contextmanager
def capture_logs(tell: Callable[[logging.LogRecord], None], level: int) -> Iterator[None]:
    """Hand what the library logs at ``level`` or above to ``tell``, until the context ends."""
    library, handler = logging.getLogger("text2sign_ros"), _Handler(tell, level)
    before = library.level
    library.setLevel(min(level, library.getEffectiveLevel()))
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.setLevel(before)


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[logging.LogRecord], None], level: int) -> None:
        super().__init__(level)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record)


def forward(logger: Any) -> Callable[[logging.LogRecord], None]:
    """For ``capture_logs``: tell it on a node's ``logger``, which says what is shown."""
    text = logging.Formatter()

    def tell(record: logging.LogRecord) -> None:
        message = text.format(record)
        # A line for each: rclpy raises where a line that logged at one severity logs at another.
        if record.levelno >= logging.ERROR:
            logger.error(message)
        elif record.levelno >= logging.WARNING:
            logger.warning(message)
        elif record.levelno >= logging.INFO:
            logger.info(message)
        else:
            logger.debug(message)

    return tell
