"""The executor of the signer: coroutines that await something, and topics that go while it is about to wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from rclpy.waitable import NumberOfEntities, Waitable
from std_msgs.msg import String

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


class Meddler(Waitable):
    """Calls ``meddle`` once, in the middle of what the executor does before it waits, as another thread may."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__(ReentrantCallbackGroup())
        self._meddle: list[Callable[[], object]] = [meddle]

    def get_num_entities(self) -> NumberOfEntities:
        while self._meddle:
            self._meddle.pop()()
        return NumberOfEntities()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def add_to_wait_set(self, _: object) -> None: ...

    def is_ready(self, _: object) -> bool:
        return False


@pytest.mark.parametrize("first", [True, False], ids=["before it is held", "while it is held"])
@pytest.mark.parametrize("kind", ["publisher", "subscription"])
def test_what_is_destroyed_just_before_it_is_waited_for_ends_nothing(
    local_node: Callable[..., Node], kind: str, first: bool
) -> None:
    """As the signer's topics are when it is cleaned up: in the side thread, whatever the thread that spins is doing."""
    node = local_node(lambda context: Node("node", context=context))
    executor, heard = SideExecutor(context=node.context), list[str]()
    texts = node.create_publisher(String, "~/text", 10)
    node.create_subscription(String, "~/text", lambda message: heard.append(message.data), 10)
    meddler = Meddler(lambda: destroy(gone))
    if first:
        node.add_waitable(meddler)
    if kind == "publisher":
        gone, destroy = node.create_publisher(String, "~/gone", 10), node.destroy_publisher
    else:
        gone, destroy = node.create_subscription(String, "~/gone", print, 10), node.destroy_subscription
    if not first:
        node.add_waitable(meddler)
    executor.add_node(node)
    try:
        texts.publish(String(data="hello"))
        for _ in range(200):
            executor.spin_once(timeout_sec=0.1)
            if heard:
                break
        assert heard == ["hello"] and not meddler._meddle
    finally:
        executor.shutdown()
