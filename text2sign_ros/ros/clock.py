"""FastClock: simulated time that passes faster than real time, so that nobody has to wait for a motion to be played."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import rclpy
from rclpy.context import Context
from rosgraph_msgs.msg import Clock

PERIOD = 0.01
"""Seconds between messages."""
BEGIN = 1000.0
"""Seconds that the clock shows first."""
SPEED = 10.0
"""How many times as fast as real time it passes; signing keeps up with several hundred on one core."""
SIGNER = {"use_sim_time": True, "lead_time": 60.0, "start_delay": 2.0}
"""Parameters of a signer that signs by this clock: as fast as it can, and with a start that is not over at once."""


class FastClock:
    """Publishes ``/clock`` from its creation until ``close``, or the end of a ``with``, in a thread of its own.

    Args:
        speed: seconds of its time in a second.
    """

    def __init__(self, speed: float = SPEED) -> None:
        self._speed, self._context = speed, Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("fast_clock", context=self._context)
        self._publisher = self._node.create_publisher(Clock, "/clock", 10)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fast clock", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began, message = time.monotonic(), Clock()
        while not self._stop.wait(PERIOD):
            now = round((BEGIN + (time.monotonic() - began) * self._speed) * 1e9)
            message.clock.sec, message.clock.nanosec = divmod(now, 10**9)
            self._publisher.publish(message)

    def close(self) -> None:
        """Stop publishing."""
        self._stop.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> FastClock:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
