"""TrajectoryOutput: a node's trajectory topic, its clock, and the parameters for the timing of chunks."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher

from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.wire import trajectory


class TrajectoryOutput:
    """Where a ``Sender`` sends chunks (its ``ChunkSink``).

    Args:
        node: provides the clock and the parameters ``lead_time`` and ``start_delay``.
        publisher: of the chunks.
        frame: of their positions.
    """

    def __init__(self, node: Node, publisher: Publisher, frame: str) -> None:
        self._node, self._publisher, self._frame = node, publisher, frame

    def now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def lead_time(self) -> int:
        return self._nanoseconds("lead_time")

    def start_delay(self) -> int:
        return self._nanoseconds("start_delay")

    def publish(self, chunk: Chunk, stamp: int) -> None:
        self._publisher.publish(trajectory.encode(chunk, stamp, self._frame))

    def receivers(self) -> int:
        return self._publisher.get_subscription_count() if self._node.context.ok() else 0

    def closed(self) -> bool:
        return not self._node.context.ok()

    def _nanoseconds(self, name: str) -> int:
        return round(self._node.get_parameter(name).value * 1e9)
