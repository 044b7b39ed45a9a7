"""An executor that runs long callbacks in a thread beside, and all others without changing threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import ShutdownException, SingleThreadedExecutor, TimeoutException


class SideGroup(MutuallyExclusiveCallbackGroup):
    """Callbacks that may take long: they run one after another, in ``SideExecutor`` in a thread of their own."""


class SideExecutor(SingleThreadedExecutor):
    """Runs callbacks of ``SideGroup`` in one thread beside, all others in the one that spins.

    In rclpy's MultiThreadedExecutor every callback changes threads. Beside a thread that computes, that makes a
    simulated clock so late that motion misses its time.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The second finds out, and says at once, that the group is busy; waiting callbacks would be handed out again.
        self._side = ThreadPoolExecutor(2, "side")
        self._running: list[Any] = []

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run one callback, or begin to; raises what callbacks raised."""
        try:
            handler, entity, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        if isinstance(getattr(entity, "callback_group", None), SideGroup):
            self._side.submit(handler)
        else:
            handler()
        self._running.append(handler)
        done = [task for task in self._running if task.done()]
        self._running = [task for task in self._running if not task.done()]
        for task in done:
            task.result()  # raises what the callback raised

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop, and wait for the callbacks that run."""
        success = super().shutdown(timeout_sec)
        self._side.shutdown()
        return success
