"""Forwards what the library logs to /rosout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger


@contextmanager
def capture_logs(handle: Callable[[logging.LogRecord], None], level: int) -> Iterator[None]:
    """Call ``handle`` with what the library logs at ``level`` or above, until the context ends."""
    library, handler = logging.getLogger("text2sign_ros"), _Handler(handle, level)
    before = library.level
    library.setLevel(min(level, library.getEffectiveLevel()))
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.setLevel(before)


class _Handler(logging.Handler):
    def __init__(self, handle: Callable[[logging.LogRecord], None], level: int) -> None:
        super().__init__(level)
        self._handle = handle

    def emit(self, record: logging.LogRecord) -> None:
        self._handle(record)


def forward(logger: RcutilsLogger) -> Callable[[logging.LogRecord], None]:
    """For ``capture_logs``: log it with a node's ``logger``, whose level decides what is shown."""
    text = logging.Formatter()

    def log(record: logging.LogRecord) -> None:
        message = text.format(record)
        # One line each: rclpy raises if the same line logs at different severities.
        if record.levelno >= logging.ERROR:
            logger.error(message)
        elif record.levelno >= logging.WARNING:
            logger.warning(message)
        elif record.levelno >= logging.INFO:
            logger.info(message)
        else:
            logger.debug(message)

    return log
