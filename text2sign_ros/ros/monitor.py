"""Monitor: a thread that publishes a node's diagnostics, whatever its other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rclpy.node import Node

from text2sign_ros.wire.diagnosis import Assessment
from text2sign_ros.wire.sender import CLOCK_STOPPED_AFTER

PERIOD, PAUSE = 1.0, 0.05
"""Seconds between diagnostics at most, and at least."""


class Monitor:
    """Publishes once a second, and when the assessment has changed, from ``start`` until ``stop``.

    Args:
        node: whose clock and logger it is.
        assess: the assessment at a time of the clock (nanoseconds), and whether the clock stands still.
        publish: publishes the assessment of a time.
    """

    def __init__(
        self, node: Node, assess: Callable[[int, bool], Assessment], publish: Callable[[int, Assessment], None]
    ) -> None:
        self._node, self._assess, self._publish = node, assess, publish
        self._stopping, self._changed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="diagnostics", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look whether the assessment has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Publish no more, and wait for the thread's end."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        told, told_at = None, 0.0
        moved, moved_at = -1, 0.0
        while not self._stopping.is_set():
            self._changed.clear()
            try:
                if (now := self._node.get_clock().now().nanoseconds) != moved:
                    moved, moved_at = now, time.monotonic()
                assessment = self._assess(now, time.monotonic() - moved_at > CLOCK_STOPPED_AFTER)
                if assessment != told or time.monotonic() - told_at >= PERIOD:
                    self._publish(now, assessment)
                    told, told_at = assessment, time.monotonic()
            except Exception as error:
                if not self._node.context.ok():  # then everything raises; the process ends
                    return
                self._node.get_logger().error(f"diagnostics can't be published: {error}")
                told_at = time.monotonic()
            self._changed.wait(max(told_at + PERIOD - time.monotonic(), 0.0))
            self._stopping.wait(PAUSE)  # after a change, not before: what changes is about to need this processor
