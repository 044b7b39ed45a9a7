"""SIGINT and SIGTERM as a request to stop, which the program looks at where it can end in good order.

rclpy's own handlers shut the context down at once, so that whatever is being created or published just then fails with
an error.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_requested = threading.Event()


class StopRequested(KeyboardInterrupt):
    """The process was asked to end."""


def hold() -> None:
    """From now on a signal only makes ``requested`` true. Call in the main thread, as ``ignore``."""
    for number in _NUMBERS:
        signal.signal(number, lambda *_: _requested.set())


def ignore() -> None:
    """From now on a signal does nothing, not even while Python ends, which takes handlers away."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def requested() -> bool:
    """Whether a signal has come since ``hold``."""
    return _requested.is_set()


def check() -> None:
    """Return if the process is not to end.

    Raises:
        StopRequested: it is.
    """
    if _requested.is_set():
        raise StopRequested


def call(wake: Callable[[], object]) -> None:
    """Call ``wake`` in a thread of its own as soon as a signal comes, whatever the main thread waits for."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # Python runs handlers only after the main thread's wait

    def wait() -> None:
        while os.read(read, 1):
            _requested.set()
            wake()

    threading.Thread(target=wait, name="signals", daemon=True).start()
