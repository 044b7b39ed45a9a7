"""An executor that runs long callbacks in a separate thread, and all others without switching threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ShutdownException, SingleThreadedExecutor, TimeoutException


class SideGroup(MutuallyExclusiveCallbackGroup):
    """Callbacks that may take long: ``SideExecutor`` runs them one after another in a separate thread."""


class SideExecutor(SingleThreadedExecutor):
    """Runs callbacks of ``SideGroup`` in a separate thread, and all others in the thread that spins.

    In rclpy's MultiThreadedExecutor every callback switches threads. Next to a busy computing thread, that delays a
    simulated clock so much that chunks are late.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Two threads: the second finds the group busy and returns immediately; otherwise rclpy would queue a waiting
        # callback again and again.
        self._side = ThreadPoolExecutor(2, "side")
        self._running: set[Any] = set()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run one callback, or start it in the separate thread; raises what callbacks raised."""
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        except InvalidHandle:
            # A callback in the separate thread has destroyed a topic that was about to be waited for, and rclpy does
            # not pass over the events of one (ros2/rclpy#1284). Nothing is lost: what is ready is so the next time.
            return
        if isinstance(getattr(entity, "callback_group", None), SideGroup):
            self._side.submit(handler)
        else:
            handler()
        self._running.add(handler)  # again and again, while it is a coroutine that awaits something
        done = {task for task in self._running if task.done()}
        self._running -= done
        for task in done:
            task.result()  # raises what the callback raised

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop, and wait for running callbacks."""
        success = super().shutdown(timeout_sec)
        self._side.shutdown()
        return success
