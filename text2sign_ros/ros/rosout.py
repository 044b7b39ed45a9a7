"""What the library logs, on /rosout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger


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


def forward(logger: RcutilsLogger) -> Callable[[logging.LogRecord], None]:
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
