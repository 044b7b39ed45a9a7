"""The executor of the signer with coroutines that await something, as an action server's do."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.task import Future

from text2sign_ros.ros.executor import SideExecutor


def test_a_coroutine_that_waits_long_is_held_once(local_node: Callable[..., Node]) -> None:
    node = local_node(lambda context: Node("node", context=context))
    executor, future = SideExecutor(context=node.context), Future()
    executor.add_node(node)

    async def wait() -> object:
        return await future

    try:
        task = executor.create_task(wait)
        for _ in range(50):
            executor.spin_once(timeout_sec=0.0)
        assert not task.done() and len(executor._running) == 1
        future.set_result(3)
        for _ in range(5):
            executor.spin_once(timeout_sec=0.0)
        assert task.result() == 3 and not executor._running
    finally:
        executor.shutdown()
