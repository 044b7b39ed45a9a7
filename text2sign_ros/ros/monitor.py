"""Monitor: a thread that publishes a node's diagnostics, whatever its other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rclpy.node import Node

from text2sign_ros.wire.diagnosis import Assessment
from text2sign_ros.wire.sender import CLOCK_STOPPED_AFTER

PERIOD, PAUSE = 1.0, 0.05
"""Most and least seconds between diagnostics."""


class Monitor:
    """Publishes once a second, and when the assessment has changed, from ``start`` until ``stop``.

    Args:
        node: provides clock and logger.
        assess: returns the assessment, given the time (nanoseconds) and whether the clock has stopped.
        publish: publishes the assessment of a time (nanoseconds).
    """

    def __init__(
        self, node: Node, assess: Callable[[int, bool], Assessment], publish: Callable[[int, Assessment], None]
    ) -> None:
        self._node, self._assess, self._publish = node, assess, publish
        self._stopping, self._changed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="diagnostics", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Check immediately whether the assessment has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Publish no more, and wait for the thread to end."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        published, published_at = None, 0.0
        last_time, advanced_at = -1, 0.0
        while not self._stopping.is_set():
            self._changed.clear()
            try:
                if (now := self._node.get_clock().now().nanoseconds) != last_time:
                    last_time, advanced_at = now, time.monotonic()
                assessment = self._assess(now, time.monotonic() - advanced_at > CLOCK_STOPPED_AFTER)
                if assessment != published or time.monotonic() - published_at >= PERIOD:
                    self._publish(now, assessment)
                    published, published_at = assessment, time.monotonic()
            except Exception as error:
                if not self._node.context.ok():  # then everything raises, because the process is ending
                    return
                self._node.get_logger().error(f"diagnostics can't be published: {error}")
                published_at = time.monotonic()
            self._changed.wait(max(published_at + PERIOD - time.monotonic(), 0.0))
            self._stopping.wait(PAUSE)  # after a change, not before: whatever has changed will need this processor now
